"""12 bits of JPEG Extended against dcmtk's decoder."""

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from scu.transcode import EXPLICIT, transcode
from scu.transcoding.gdcm12 import is_available
from tests.scu.transcoding.test_convert import dataset_of, parsed
from tests.support.dcmtk import tool


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
def test_the_same_pixels_as_dcmdjpeg(name: str, tmp_path: Path) -> None:
    path = get_testdata_file(name)
    decoded = tmp_path / "decoded.dcm"
    subprocess.run([tool("dcmdjpeg"), path, str(decoded)], check=True)
    data, syntax = dataset_of(path)
    made = parsed(b"".join(transcode([data], syntax, EXPLICIT)), EXPLICIT)
    expected = pydicom.dcmread(decoded)
    assert (np.frombuffer(made.PixelData, "<u2") == np.frombuffer(expected.PixelData, "<u2")).all()
    assert made.PhotometricInterpretation == expected.PhotometricInterpretation


def test_it_is_there_for_its_transfer_syntax_only() -> None:
    assert is_available(JPEGExtended12Bit)
    assert not is_available(JPEGBaseline8Bit)
