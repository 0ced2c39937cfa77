import pytest
from pydicom import config
from pydicom.valuerep import STANDARD_VR, validate_value

from rules.deid.dummies import dummy


@pytest.mark.parametrize("vr", sorted({str(vr) for vr in STANDARD_VR} - {"SQ", "UI"}))
def test_there_is_a_valid_one_for_every_vr(vr: str):
    value = dummy(vr)
    assert value is not None
    validate_value(vr, value, config.RAISE)
