"""Instances to send: synthetic CT with noise for pixels, written once into a folder of the run."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"
ROOT = "1.2.826.0.1.3680043.10.1442"


def instance(study: int, number: int, side: int, **values: str) -> Dataset:
    """One CT slice of `side` x `side` pixels of 16 bits, in a series of its study."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = f"{ROOT}.{side}.{study}.1.{number}"
    ds.StudyDate, ds.StudyTime = "20260102", "101112"
    ds.AccessionNumber = f"A{study:07d}"
    ds.Modality, ds.Manufacturer = "CT", "Bench"
    ds.StudyDescription = "Thorax"
    ds.PatientName, ds.PatientID = f"Bench^Number{study}", f"P{study:07d}"
    ds.PatientBirthDate, ds.PatientSex = "19600101", "O"
    ds.StudyInstanceUID = f"{ROOT}.{side}.{study}"
    ds.SeriesInstanceUID = f"{ROOT}.{side}.{study}.1"
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", "1", str(number)
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    ds.FrameOfReferenceUID = f"{ROOT}.{side}.{study}.9"
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    if side:
        _add_pixels(ds, side, study * 100_000 + number)
    return ds


def _add_pixels(ds: Dataset, side: int, seed: int) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = side
    ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], "1"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    pixels = np.random.default_rng(seed).integers(0, 4096, (side, side), dtype=np.uint16)
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"


def write(ds: Dataset, path: Path) -> None:
    """Write a Part 10 file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def write_load(folder: Path, studies: int, each: int, side: int, parts: int) -> list[Path]:
    """Write `studies` x `each` instances, dealt out by study into `parts` folders; return these."""
    folders = [folder / f"part{part}" for part in range(parts)]
    for study in range(studies):
        for number in range(each):
            # A part is what one association sends: whole studies where there are enough of them.
            part = study % parts if studies >= parts else number % parts
            ds = instance(study, number, side)
            write(ds, folders[part] / f"{study:05d}-{number:05d}.dcm")
    return folders
