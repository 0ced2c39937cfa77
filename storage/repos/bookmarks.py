"""Bookmarks: how far work that takes many nights has come."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from storage.records.jobs import bookmark


class BookmarksRepo:
    """Bookmarks, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> Mapping[str, Any]:
        """Return the place of `name`, empty when it has none yet."""
        place = select(bookmark.c.place).where(bookmark.c.name == name)
        return self._connection.execute(place).scalar_one_or_none() or {}

    def put(self, name: str, place: Mapping[str, Any], at: datetime) -> None:
        """Move the bookmark of `name`."""
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        values = {"place": dict(place), "updated_at": at}
        self._connection.execute(
            insert(bookmark)
            .values(name=name, **values)
            .on_conflict_do_update(index_elements=[bookmark.c.name], set_=values)
        )

    def below(self, prefix: str) -> Mapping[str, Mapping[str, Any]]:
        """Return every place whose name begins with `prefix`."""
        found = select(bookmark.c.name, bookmark.c.place).where(bookmark.c.name.startswith(prefix))
        return {row.name: row.place for row in self._connection.execute(found)}

    def remove(self, name: str) -> None:
        """Remove the bookmark of `name`: the work is done."""
        self._connection.execute(delete(bookmark).where(bookmark.c.name == name))

    def first(self, name: str, place: Mapping[str, Any], at: datetime) -> Mapping[str, Any]:
        """Set the bookmark of `name` unless it is set; return its place, for all who try the same one."""
        insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        self._connection.execute(
            insert(bookmark)
            .values(name=name, place=dict(place), updated_at=at)
            .on_conflict_do_nothing(index_elements=[bookmark.c.name])
        )
        return self.get(name)
