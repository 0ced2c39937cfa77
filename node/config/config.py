"""The whole configuration, checked and frozen. `node.config.loading` makes it."""

from pathlib import Path

from pydantic import Field

from node.config.base import Section
from node.config.dicom import DicomSection
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
from node.core.errors import UserError


class Config(Section):
    """Everything that an administrator can set; an attribute for each table of config.toml."""

    node: NodeSection = Field(default_factory=NodeSection)
    database: DatabaseSection = Field(default_factory=DatabaseSection)
    blobs: BlobsSection = Field(default_factory=BlobsSection)
    dicom: DicomSection = Field(default_factory=DicomSection)
    console: ConsoleSection = Field(default_factory=ConsoleSection)
    worker: WorkerSection = Field(default_factory=WorkerSection)
    rules: RulesSection = Field(default_factory=RulesSection)
    delivery: DeliverySection = Field(default_factory=DeliverySection)
    scheduler: SchedulerSection = Field(default_factory=SchedulerSection)

    @property
    def data_dir(self) -> Path:
        """The data folder, absolute."""
        return self.node.data_dir.absolute()

    @property
    def database_url(self) -> str:
        """The database's URL, also when it is SQLite in the data folder."""
        if self.database.url:
            return self.database.url
        if "?" in str(self.data_dir):
            raise UserError(
                "node.data_dir: a folder with a question mark cannot hold the database; rename it"
            )
        return f"sqlite:///{self.data_dir / 'index.db'}"
