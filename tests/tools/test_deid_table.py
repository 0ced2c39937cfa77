from pathlib import Path
from zipfile import ZipFile

from tools.deid_table import main

LISTS = """
D_TAGS = [
    (0x0040, 0xA730),  # a comment
]
X_Z_U_STAR_TAGS = [(0x0008, 0x1140)]
X_TAGS = [(0x5000, 0x0000, 0xFF00, 0x0000), (0x0010, 0x9999)]
ALL_TAGS = []
"""


def test_tags_and_codes_are_written(tmp_path: Path):
    wheel, target = tmp_path / "dicom_anonymizer-2.1.0-py3-none-any.whl", tmp_path / "table.py"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("dicomanonymizer/dicom_anonymization_databases/dicomfields_2030a.py", LISTS)
    main(str(wheel), "2030a", str(target))
    table: dict[str, object] = {}
    exec(target.read_text(), table)
    assert table["EDITION"] == "2030a"
    assert table["ACTIONS"] == {0x00081140: "X/Z/U*", 0x00109999: "X", 0x0040A730: "D"}
    assert table["GROUPS"] == ((0x50000000, 0xFF000000, "X"),)
    assert "dicom-anonymizer 2.1.0" in str(table["__doc__"])
    assert "a comment" not in target.read_text()
