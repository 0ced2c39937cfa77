from pathlib import Path

from scp import reference
from scp.contexts import STORAGE_CLASSES, STORAGE_SYNTAXES
from scp.statuses import Status

DOCUMENT = Path(__file__).parents[2] / reference.FILE


def test_the_document_is_as_it_would_be_written_now() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(f"<!-- table: {name} -->" in text for name in reference.TABLES)
    assert reference.renewed(text) == text, "python -m scp.reference writes it again"


def test_every_class_and_syntax_has_a_row_with_a_name() -> None:
    for table, uids in (
        (reference.storage_classes(), STORAGE_CLASSES),
        (reference.transfer_syntaxes(), STORAGE_SYNTAXES),
    ):
        rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines()[2:]]
        assert {uid for _, uid in rows} == uids
        assert all(name and name != uid for name, uid in rows)


def test_every_status_is_explained_once() -> None:
    shown = [line.split("|")[1].strip() for line in reference.statuses().splitlines()[2:]]
    assert shown == [f"0x{status:04X}" for status in sorted(Status)]


def test_only_the_tables_are_written_again() -> None:
    text = "a\n<!-- table: statuses -->\nold\n<!-- end -->\nb <!-- end -->\n"
    new = reference.renewed(text)
    assert new.startswith("a\n<!-- table: statuses -->\n\n| status")
    assert new.endswith("|\n\n<!-- end -->\nb <!-- end -->\n")
    assert reference.renewed(new) == new
