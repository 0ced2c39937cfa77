"""The process from inside; its way through a socket is tested from outside, in test_decoders.py."""

import json
import threading
from multiprocessing.connection import Connection, Pipe
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array

from scu.transcoding import decoder
from scu.transcoding.decoder import decode


def request_of(dataset: pydicom.Dataset) -> dict[str, Any]:
    options = {
        "samples_per_pixel": dataset.SamplesPerPixel,
        "rows": dataset.Rows,
        "columns": dataset.Columns,
        "bits_allocated": dataset.BitsAllocated,
        "bits_stored": dataset.BitsStored,
        "pixel_representation": dataset.PixelRepresentation,
        "photometric_interpretation": dataset.PhotometricInterpretation,
    }
    if dataset.SamplesPerPixel > 1:
        options["planar_configuration"] = dataset.PlanarConfiguration
    return {
        "transfer_syntax_uid": str(dataset.file_meta.TransferSyntaxUID),
        "number_of_frames": int(dataset.get("NumberOfFrames", 1)),
        "extended_offsets": [],
        "options": options,
        "frame_bytes": dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8,
    }


@pytest.mark.parametrize(
    ("name", "photometric"),
    [
        ("MR_small_RLE.dcm", "MONOCHROME2"),
        ("rtdose_rle.dcm", "MONOCHROME2"),
        ("MR_small_jpeg_ls_lossless.dcm", "MONOCHROME2"),
        ("JPEGLSNearLossless_16.dcm", "MONOCHROME2"),
        ("MR_small_jp2klossless.dcm", "MONOCHROME2"),
        ("J2K_pixelrep_mismatch.dcm", "MONOCHROME2"),
        ("GDCMJ2K_TextGBR.dcm", "RGB"),
        ("SC_rgb_jpeg_gdcm.dcm", "RGB"),
        ("SC_rgb_jpeg_dcmtk.dcm", "RGB"),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "RGB"),
        ("examples_ybr_color.dcm", "RGB"),
    ],
)
def test_the_same_pixels_as_pydicom(name: str, photometric: str) -> None:
    dataset = pydicom.dcmread(get_testdata_file(name))
    frames = list(decode(request_of(dataset), dataset.PixelData))
    expected = pixel_array(dataset)
    made = np.frombuffer(b"".join(frame for frame, _ in frames), expected.dtype).reshape(expected.shape)
    assert (made == expected).all()
    assert {said for _, said in frames} == {photometric}


def test_what_is_lossless_keeps_its_colours() -> None:
    dataset = pydicom.dcmread(get_testdata_file("SC_rgb_rle.dcm"))
    rgb = pixel_array(dataset)
    dataset.PhotometricInterpretation = "YBR_FULL"  # as if they were that
    ((frame, said),) = decode(request_of(dataset), dataset.PixelData)
    assert (np.frombuffer(frame, "u1").reshape(rgb.shape) == rgb).all()
    assert said == "YBR_FULL"


def test_answers_end_with_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_bound_memory", lambda budget: None)  # this process has more to do
    monkeypatch.setattr(decoder.resource, "setrlimit", lambda which, limits: None)
    dataset = pydicom.dcmread(get_testdata_file("MR_small_RLE.dcm"))
    ours, theirs = Pipe()
    monkeypatch.setattr(decoder.sys, "argv", ["decoder", "0"])
    monkeypatch.setattr(decoder, "Connection", lambda number: theirs)
    thread = threading.Thread(target=decoder.main)
    thread.start()
    assert answers(ours, request_of(dataset), dataset.PixelData) == [
        {"photometric": "MONOCHROME2"},
        {"end": True},
    ]
    assert answers(ours, request_of(dataset), b"nonsense")[-1].keys() == {"error"}
    ours.close()
    thread.join(10)
    assert not thread.is_alive()


def answers(connection: Connection, request: dict[str, Any], data: bytes) -> list[dict[str, Any]]:
    connection.send_bytes(json.dumps(request).encode())
    connection.send_bytes(data)
    said = [json.loads(connection.recv_bytes())]
    while "photometric" in said[-1]:
        assert len(connection.recv_bytes()) == request["frame_bytes"]
        said.append(json.loads(connection.recv_bytes()))
    return said
