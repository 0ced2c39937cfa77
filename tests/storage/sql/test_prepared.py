import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import bindparam, select

from storage.archive import Archive
from storage.errors import StorageError, Unavailable
from storage.records.tables import audit, peer
from storage.sql.prepared import Inserter, Prepared, Writes, padded, power
from tests.support.arrivals import NOW


def row(name: str) -> dict[str, object]:
    return {
        "name": name,
        "host": "h",
        "port": 1,
        "tls": False,
        "may_query": True,
        "may_store": True,
        "added_at": NOW,
    }


def test_inserts_any_number_in_order_and_fills_in_defaults(archive: Archive) -> None:
    with archive.begin() as tx:
        insert = Inserter(peer, archive.kind, skip=True, returning=("id", "name"))
        names = [f"n{n}" for n in range(77)]
        returned = insert.run(tx.connection, [row(name) for name in names])
        assert [each[1] for each in returned] == names
        assert insert.run(tx.connection, []) == []
        assert {each.ae_title for each in tx.peers.list()} == {""}
        assert {each.added_at for each in tx.peers.list()} == {NOW}


def test_fills_in_and_says_how_many_were_new(archive: Archive) -> None:
    with archive.begin() as tx:
        fill = Inserter(peer, archive.kind, skip=True)
        assert fill.fill(tx.connection, []) == 0
        assert fill.fill(tx.connection, [row(f"n{n}") for n in range(0, 70, 2)]) == 35
        assert fill.fill(tx.connection, [row(f"n{n}") for n in range(70)]) == 35
        assert fill.fill(tx.connection, [row("n1")]) == 0
        assert {each.name for each in tx.peers.list()} == {f"n{n}" for n in range(70)}


def test_rows_that_share_a_value_get_it_each(archive: Archive) -> None:
    shared = {"k": "a\0", "l": [1]}
    with archive.begin() as tx:
        rows = [{"at": NOW, "actor": f"{n}\0", "detail": shared if n % 2 else {"n": n}} for n in range(6)]
        Inserter(audit, archive.kind).run(tx.connection, rows)
        shared["k"] = "b"  # what is changed later is another value
        Inserter(audit, archive.kind).run(tx.connection, [{"at": NOW, "actor": "6", "detail": shared}])
        found = {each.actor: each.detail for each in tx.audit.list()}
    assert found == {
        **{str(n): {"k": "a", "l": [1]} if n % 2 else {"n": n} for n in range(6)},
        "6": {"k": "b", "l": [1]},
    }


@given(st.lists(st.tuples(*[st.text(st.sampled_from("a\0ä\ud800"), max_size=400)] * 3), max_size=5))
def test_text_is_bound_as_its_columns_keep_it(rows: list[tuple[str, str, str]]) -> None:
    for kind in ("sqlite", "postgresql"):
        insert = Inserter(audit, kind)
        bound = insert._binder.bind([{"at": NOW, "actor": a, "address": b, "detail": c} for a, b, c in rows])
        places = [column.name for column in audit.c if column.name != "id"]
        for (a, b, _), values in zip(rows, bound, strict=True):
            assert values[places.index("actor")] == audit.c.actor.type.process_bind_param(a, None)
            assert values[places.index("address")] == audit.c.address.type.process_bind_param(b, None)
            assert values[places.index("outcome")] == ""


def test_skips_what_is_there(archive: Archive) -> None:
    with archive.begin() as tx:
        insert = Inserter(peer, archive.kind, skip=True, returning=("name",))
        assert [each[0] for each in insert.run(tx.connection, [row("b")])] == ["b"]
        returned = insert.run(tx.connection, [row("a"), row("b"), row("c")])
        assert [each[0] for each in returned] == ["a", "c"]


def test_types_prepare_values(archive: Archive) -> None:
    with archive.begin() as tx:
        writes = Writes(tx.connection)
        insert = Inserter(audit, archive.kind)
        insert.later(writes, [{"at": NOW, "actor": "a\0b", "detail": {"k": ["\ud800", 1]}}])
        assert tx.audit.list() == []
        writes.send()
        writes.send()
        (entry,) = tx.audit.list()
    assert (entry.at, entry.actor, entry.detail) == (NOW, "ab", {"k": ["?", 1]})


def test_selects_by_name(archive: Archive) -> None:
    names = [bindparam(f"name_{n}", type_=peer.c.name.type) for n in range(4)]
    query = Prepared(select(peer.c.name).where(peer.c.name.in_(names)).order_by(peer.c.name), archive.kind)
    with archive.begin() as tx:
        Inserter(peer, archive.kind).run(tx.connection, [row(name) for name in "abc"])
        assert [r[0] for r in query.run(tx.connection, padded("name", ["c", "a", "x"], 4))] == ["a", "c"]


def test_a_failing_statement_is_a_storage_error_without_values(archive: Archive) -> None:
    with archive.begin() as tx:
        insert = Inserter(peer, archive.kind)
        insert.run(tx.connection, [row("Secret^Name")])
        with pytest.raises(StorageError) as caught:
            insert.run(tx.connection, [row("Secret^Name")])
    assert "Secret" not in str(caught.value)


def test_a_broken_connection_is_not_used_again(postgres_url: str) -> None:
    archive = Archive.open(postgres_url)
    try:
        statement = Prepared(select(peer.c.name).where(peer.c.name == bindparam("name")), "postgresql")
        with archive.begin() as tx:
            (mine,) = tx.connection.exec_driver_sql("SELECT pg_backend_pid()").one()
            with archive.begin() as other:
                other.connection.exec_driver_sql(f"SELECT pg_terminate_backend({mine}, 5000)")
            with pytest.raises(Unavailable):
                statement.run(tx.connection, {"name": "a"})
            assert tx.connection.invalidated
        with archive.begin() as tx:
            assert statement.run(tx.connection, {"name": "a"}) == []
    finally:
        archive.close()


@given(st.integers(1, 5000))
def test_power_is_the_next_one(count: int) -> None:
    size = power(count)
    assert size >= count
    assert size // 2 < count
    assert size & (size - 1) == 0
    values = [str(n) for n in range(min(count, 50))]
    assert set(padded("x", values, power(len(values))).values()) == set(values)
