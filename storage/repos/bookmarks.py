"""Bookmarks: how far work that takes many nights has come."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from storage.records.jobs import bookmark
from storage.sql.prepared import Prepared


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
        values = {"name": name, "place": dict(place), "updated_at": at}
        _put(self._connection.dialect.name).run(self._connection, values)

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


@cache
def _put(kind: str) -> Prepared:
    insert: Any = postgresql.insert if kind == "postgresql" else sqlite.insert
    names = ("name", "place", "updated_at")
    new = insert(bookmark).values({name: bindparam(name, type_=bookmark.c[name].type) for name in names})
    moved = {"place": new.excluded.place, "updated_at": new.excluded.updated_at}
    return Prepared(new.on_conflict_do_update(index_elements=[bookmark.c.name], set_=moved), kind)
