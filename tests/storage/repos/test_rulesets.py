from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from storage.archive import Archive
from storage.records.rulings import Activation, Revision, Role
from storage.transaction import Transaction

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def add(tx: Transaction, name: str = "d1", based_on: int | None = None) -> Revision:
    return tx.rulesets.add(
        digest=name,
        source=f"# {name}\n",
        plain={"rules": [{"name": name}]},
        author="mara",
        note="first",
        based_on=based_on,
        difference="+ rule",
        at=NOW,
    )


def test_a_revision_is_kept_as_it_was_given(archive: Archive) -> None:
    with archive.begin() as tx:
        first = add(tx)
        second = add(tx, based_on=first.id)
        tx.commit()
    assert second.id > first.id
    with archive.read() as tx:
        assert tx.rulesets.get(second.id) == second
        assert tx.rulesets.list() == [second, first]
        assert tx.rulesets.list(limit=1) == [second]
        assert tx.rulesets.get(second.id + 1) is None
    assert second == Revision(
        second.id,
        "d1",
        "# d1\n",
        {"rules": [{"name": "d1"}]},
        "mara",
        "first",
        first.id,
        "+ rule",
        NOW,
    )


def test_the_newest_activation_of_a_role_counts_and_none_is_forgotten(archive: Archive) -> None:
    later = NOW + timedelta(hours=1)
    with archive.begin() as tx:
        first, second = add(tx), add(tx, "d2")
        assert tx.rulesets.in_force(Role.ACTIVE) is None
        assert tx.rulesets.all_in_force() == {}
        assert tx.rulesets.active(Role.ACTIVE) is None
        tx.rulesets.activate(Role.ACTIVE, first.id, "mara", NOW)
        tx.rulesets.activate(Role.SHADOW, second.id, "mara", NOW)
        assert tx.rulesets.in_force(Role.ACTIVE) == first.id
        assert tx.rulesets.active(Role.SHADOW) == second
        tx.rulesets.activate(Role.ACTIVE, second.id, "ole", later)
        tx.rulesets.activate(Role.SHADOW, None, "ole", later)
        tx.commit()
    with archive.read() as tx:
        assert tx.rulesets.in_force(Role.ACTIVE) == second.id
        assert tx.rulesets.in_force(Role.SHADOW) is None
        assert tx.rulesets.all_in_force() == {Role.ACTIVE: second.id}
        assert tx.rulesets.active(Role.SHADOW) is None
        assert tx.rulesets.activations(Role.ACTIVE) == [
            Activation(Role.ACTIVE, second.id, "ole", later),
            Activation(Role.ACTIVE, first.id, "mara", NOW),
        ]


def test_only_what_there_is_can_be_put_in_force(archive: Archive) -> None:
    with archive.begin() as tx, pytest.raises(IntegrityError):
        tx.rulesets.activate(Role.ACTIVE, 77, "mara", NOW)
