"""The front door of storage: where records are kept, and how work on them begins.

Example
-------
>>> archive = Archive.open("sqlite:///data/index.db")               # doctest: +SKIP
>>> archive.upgrade()                                               # doctest: +SKIP
>>> with archive.read() as tx:                                      # doctest: +SKIP
...     study = tx.studies.get("1.2.3")
"""

from typing import Self

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from storage.blobs.protocol import BlobStore
from storage.commit import Follower, GroupCommit
from storage.engine import make_engine
from storage.errors import StorageError, Unavailable
from storage.leadership import Leadership
from storage.migrations.upgrade import head_revision, revision_of, upgrade
from storage.transaction import Transaction
from storage.wake import Waker


class Archive:
    """The records of one node. Safe for use by many threads and processes at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str, *, durable: bool = True) -> Self:
        """Connect to the database at `url`; its schema is left as it is.

        Parameters
        ----------
        url
            ``sqlite:///path`` or ``postgresql+psycopg2://user:password@host/name``.
        durable
            False for one whose commits a power cut may take back, the latest first: much faster.

        Raises
        ------
        Unavailable
            The database does not answer, or its file cannot be opened.
        StorageError
            The URL is wrong.
        """
        archive = cls(make_engine(url, durable=durable))
        try:
            with archive._connect(write=False) as connection:
                connection.execute(text("SELECT 1"))
        except BaseException:
            archive.close()
            raise
        return archive

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def upgrade(self) -> None:
        """Bring the schema to that of this program. Several processes may do it at once."""
        with self._connect(write=True) as connection:
            upgrade(connection)
            connection.commit()

    def is_current(self) -> bool:
        """Tell whether the schema is that of this program."""
        with self._connect(write=False) as connection:
            return revision_of(connection) == head_revision()

    def begin(self, *, write: bool = True) -> Transaction:
        """Begin a unit of work.

        Raises
        ------
        Unavailable
            No connection, or on SQLite another writer did not finish within 30 s.
        """
        return Transaction(self._connect(write=write))

    def read(self) -> Transaction:
        """Begin a unit of work that changes nothing; it never waits for a writer, nor one for it."""
        return self.begin(write=False)

    def settle(self) -> None:
        """Return once no process that is dead can still commit.

        PostgreSQL may be at work on what a killed client asked for last. SQLite's writers die whole.
        """
        if self.kind != "postgresql":
            return
        for table in ("instance", "conflict", "quarantine"):
            with self.begin() as tx:  # one at a time, so that it cannot deadlock with a writer
                # Waits for every transaction that has written there (ROW EXCLUSIVE) to end.
                tx.connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE MODE")

    def commits(self, blobs: BlobStore, follower: Follower | None = None) -> GroupCommit:
        """Return the one way in for arrivals, which shares syncs among all who wait.

        Parameters
        ----------
        follower
            Called in the transaction of each group with what was recorded, before it commits.
        """
        return GroupCommit(self.begin, blobs, follower)

    def waker(self) -> Waker:
        """Return what wakes a thread when there may be new jobs."""
        return Waker(self._engine)

    def leadership(self, name: str) -> Leadership:
        """Return the lock of this name, which one process of all can hold."""
        return Leadership(self._engine, name)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()

    def _connect(self, *, write: bool) -> Connection:
        try:
            connection = self._engine.connect()
        except StorageError:
            raise
        except SQLAlchemyError as error:  # the pool gave up waiting
            raise Unavailable(f"database: {type(error).__name__}") from None
        try:
            if self.kind == "sqlite":
                connection = connection.execution_options(isocentre_write=write)
            elif not write:
                connection = connection.execution_options(postgresql_readonly=True)
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection
