"""An archive with rules in force, and instances that come in under them."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from node.config.sections import RulesSection
from node.core import clock
from node.rulings.book import Book
from node.rulings.decider import Decider
from node.rulings.settler import Settler
from node.services.ingest import Ingest, Outcome
from rules.reading import read
from storage.archive import Archive
from storage.blobs.filesystem import FilesystemStore
from storage.records.deliveries import Delivery
from storage.records.network import Peer
from storage.records.rulings import Role, Ruling
from tests.support.ingest import ORIGIN, send


def put_in_force(archive: Archive, text: str, role: Role = Role.ACTIVE) -> int:
    """Store a rule file as a revision, and put it in force; return its number."""
    ruleset = read(text).ruleset()
    with archive.begin() as tx:
        revision = tx.rulesets.add(
            digest=ruleset.digest,
            source=text,
            plain=ruleset.plain(),
            author="a test",
            note="",
            based_on=None,
            difference="",
            at=clock.now(),
        )
        tx.rulesets.activate(role, revision.id, "a test", clock.now())
        tx.commit()
    return revision.id


@dataclass
class Ruled:
    """What a test works with."""

    archive: Archive
    blobs: FilesystemStore
    book: Book
    config: RulesSection

    def __post_init__(self) -> None:
        self.ingest = Ingest(
            self.archive,
            self.blobs,
            free_floor=0,
            max_dataset=1 << 30,
            wants=self.book.wants,
            follower=Decider(self.book, self.blobs, self.config),
        )
        self.settler = Settler(self.archive, self.blobs, self.book, self.config)

    def apply(self, text: str, role: Role = Role.ACTIVE) -> int:
        return put_in_force(self.archive, text, role)

    def send(self, *datasets: Dataset, origin=ORIGIN) -> list[Outcome]:
        return [send(self.ingest, dataset, origin=origin) for dataset in datasets]

    def peer(self, name: str, ae_title: str) -> None:
        with self.archive.begin() as tx:
            tx.peers.add(Peer(name, ae_title, "127.0.0.1", 104, clock.now()))
            tx.commit()

    def row(self, uid: str) -> int:
        with self.archive.read() as tx:
            subject = tx.subjects.by_uid(uid)
            assert subject is not None
            return subject.place.instance_row

    def study_row(self, uid: str) -> int:
        with self.archive.read() as tx:
            study = tx.subjects.study_by_uid(uid)
            assert study is not None
            return study.row

    def rulings(self, level: str, row: int, role: Role | None = None) -> list[Ruling]:
        with self.archive.read() as tx:
            return list(tx.rulings.of(level, row, role))

    def deliveries(self, **which: object) -> Sequence[Delivery]:
        with self.archive.read() as tx:
            found: Sequence[Delivery] = tx.ledger.list(limit=10_000, **which)  # type: ignore[arg-type]
            return sorted(found, key=lambda each: each.id)


@contextlib.contextmanager
def ruled_archive(archive: Archive, folder: Path, **config: float) -> Iterator[Ruled]:
    """Rules over `archive`, whose studies are quiet at once unless `config` says otherwise."""
    blobs = FilesystemStore(folder / "blobs")
    section = RulesSection(**({"quiet_seconds": 0.05, "complete_seconds": 0.05} | config))
    try:
        yield Ruled(archive, blobs, Book(archive), section)
    finally:
        blobs.close()


@pytest.fixture
def ruled(archive: Archive, tmp_path: Path) -> Iterator[Ruled]:
    """Rules over an empty archive, on each database."""
    with ruled_archive(archive, tmp_path) as made:
        yield made
