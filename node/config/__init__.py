"""Configuration: one frozen section for each table of config.toml."""

from node.config.config import Config
from node.config.dicom import DicomSection
from node.config.loading import load
from node.config.sections import (
    BlobsSection,
    ConsoleSection,
    DatabaseSection,
    NodeSection,
    SchedulerSection,
    WorkerSection,
)

__all__ = [
    "BlobsSection",
    "Config",
    "ConsoleSection",
    "DatabaseSection",
    "DicomSection",
    "NodeSection",
    "SchedulerSection",
    "WorkerSection",
    "load",
]
