"""JPEG Extended with 12 bits (PS3.5 table A.4-2, process 4) by GDCM, as a plugin of pydicom's decoder.

pydicom's own GDCM plugin refuses these since GDCM could not do them; 3.2 can, equal to dcmtk's decoder.
It needs python-gdcm.
"""

from typing import cast

import gdcm
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("gdcm>=3.2",)}


def is_available(uid: str) -> bool:
    """Tell whether this decodes transfer syntax `uid`."""
    return uid in DECODER_DEPENDENCIES


def _decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    if runner.samples_per_pixel != 1:
        raise NotImplementedError("colour with 12 bits")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(src)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(str(runner.photometric_interpretation))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))))
    bits = runner.bits_stored
    image.SetPixelFormat(
        gdcm.PixelFormat(1, runner.bits_allocated, bits, bits - 1, runner.pixel_representation)
    )
    # GDCM gives char* as str
    return cast(bytes, image.GetBuffer().encode("utf-8", "surrogateescape"))
