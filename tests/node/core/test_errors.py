import pytest

from node.core.errors import UserError


def test_what_a_person_is_meant_to_read_is_the_text():
    with pytest.raises(UserError, match=r"^dicom\.port: 70000 is no port$"):
        raise UserError("dicom.port: 70000 is no port")
