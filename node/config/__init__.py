"""Configuration: one frozen section for each table of config.toml."""

from node.config.config import Config
from node.config.dicom import DicomSection
from node.config.loading import load
from node.config.sections import (
    BlobsSection,
    ConsoleSection,
    DatabaseSection,
    DeliverySection,
    NodeSection,
    RulesSection,
    SchedulerSection,
    WorkerSection,
)

__all__ = [
    "BlobsSection",
    "Config",
    "ConsoleSection",
    "DatabaseSection",
    "DeliverySection",
    "DicomSection",
    "NodeSection",
    "RulesSection",
    "SchedulerSection",
    "WorkerSection",
    "load",
]
