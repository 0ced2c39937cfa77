import pytest

from node.core.errors import UserError
from node.services.rulebook import Refused, Rulebook, ruleset_of
from storage.archive import Archive
from storage.records.rulings import Role
from tests.support.arrivals import NOW
from tests.support.ruled import Ruled
from tests.support.samples import ct

TAG = """[[rule]]
name = "{name}"
when = 'Modality == "CT"'
then = [{{ action = "tag", label = "{label}" }}]
"""
ONE = TAG.format(name="one", label="a")
TWO = TAG.format(name="one", label="b")
THREE = ONE + TAG.format(name="two", label="c")
ROUTE = '[[rule]]\nname = "CT"\nwhen = "true"\nthen = [{ action = "route", to = "PACS" }]\n'


@pytest.fixture
def book(archive: Archive) -> Rulebook:
    return Rulebook(archive)


def test_rules_are_checked_by_what_the_node_knows(ruled: Ruled):
    book = Rulebook(ruled.archive, lambda: {"lung"})
    (problem,) = book.check(ROUTE).errors
    assert (problem.line, problem.column, problem.message) == (4, 34, "unknown peer PACS")
    assert problem.expected == "a peer, but there is none"
    ruled.peer("PACS", "PACS_AE")
    assert book.check(ROUTE).errors == ()
    deidentify = ROUTE.replace('"route", to', '"deidentify", profile = "{}", to')
    assert book.check(deidentify.replace("{}", "basic")).errors == ()
    assert book.check(deidentify.replace("{}", "basik")).errors[0].expected == "basic"
    infer = ROUTE.replace('"route", to = "PACS"', '"infer", model = "{}"')
    assert book.check(infer.replace("{}", "lung")).errors == ()
    assert book.check(infer.replace("{}", "liver")).errors[0].message == "unknown model liver"
    assert Rulebook(ruled.archive).check(infer.replace("{}", "lung")).errors != ()


def test_rules_are_applied_and_decide(ruled: Ruled):
    book = Rulebook(ruled.archive)
    done = book.apply(ONE, "ann", "at last")
    assert done.changed
    assert done.revision is not None
    assert (done.revision.id, done.before) == (1, None)
    assert done.difference[0] == "+ one"
    assert (done.revision.author, done.revision.note, done.revision.based_on) == ("ann", "at last", None)
    (outcome,) = ruled.send(ct(1))
    assert ruled.rulings("instance", ruled.row(outcome.sop_instance_uid))[0].revision == 1
    again = book.apply(TWO, "bob")
    assert again.revision is not None
    assert (again.revision.id, again.before, again.revision.based_on) == (2, 1, 1)
    assert again.difference == ("~ one", "-   then: tag label a", "+   then: tag label b")
    assert again.revision.difference == "\n".join(again.difference)
    assert book.show().source == TWO
    assert book.show(1).source == ONE
    assert ruleset_of(book.show()).digest == again.revision.digest


def test_what_is_active_already_makes_no_revision(book: Rulebook):
    book.apply(ONE, "ann")
    done = book.apply(ONE, "bob")
    assert (done.changed, done.before, done.difference) == (False, 1, ())
    assert len(book.history()) == 1
    commented = book.apply("# why\n" + ONE, "bob")  # the text is kept for whoever reads it
    assert commented.changed
    assert commented.difference == ()
    assert [entry.revision.id for entry in book.history()] == [2, 1]


def test_a_file_with_errors_is_refused_whole(book: Rulebook):
    with pytest.raises(Refused, match="the rules have 2 errors; nothing was changed") as caught:
        book.apply(ONE.replace("Modality", "Modalty") + ROUTE, "ann")
    assert [(each.line, each.column) for each in caught.value.problems] == [(3, 9), (8, 34)]
    assert book.history() == []
    with pytest.raises(UserError, match="isocentre rules apply"):
        book.show()


def test_going_back_goes_back_further_each_time(book: Rulebook):
    for text in (ONE, TWO, THREE):
        book.apply(text, "ann")
    done = book.rollback("bob")
    assert done.revision is not None
    assert (done.revision.id, done.before) == (2, 3)
    assert book.show().source == TWO
    again = book.rollback("bob")
    assert again.revision is not None
    assert again.revision.id == 1
    with pytest.raises(UserError, match="revision 1 replaced none"):
        book.rollback("bob")
    forth = book.rollback("bob", 3)
    assert forth.revision is not None
    assert forth.revision.id == 3
    assert len(book.history()) == 3
    assert book.rollback("bob", 3).changed is False
    with pytest.raises(UserError, match="revision 9 of the rules is not there; there are 1, 2 or 3"):
        book.rollback("bob", 9)


def test_going_back_to_what_is_no_longer_right_is_refused(ruled: Ruled):
    book = Rulebook(ruled.archive)
    ruled.peer("PACS", "PACS_AE")
    book.apply(ROUTE, "ann")
    book.apply(ONE, "ann")
    with ruled.archive.begin() as tx:
        tx.peers.remove("PACS")
        tx.commit()
    with pytest.raises(Refused) as caught:
        book.rollback("ann")
    assert caught.value.problems[0].message == "unknown peer PACS"
    assert book.show().source == ONE


def test_rules_can_be_put_out_of_force(book: Rulebook):
    assert book.off("ann").changed is False
    book.apply(ONE, "ann")
    done = book.off("ann")
    assert (done.changed, done.revision, done.before, done.difference[0]) == (True, None, 1, "- one")
    with pytest.raises(UserError, match="name a revision"):
        book.rollback("ann")
    assert book.rollback("ann", 1).changed


def test_the_shadow_has_its_own_revision(book: Rulebook):
    book.apply(ONE, "ann")
    with pytest.raises(UserError, match="in the shadow"):
        book.show(role=Role.SHADOW)
    done = book.shadow(TWO, "bob", "later")
    assert done.revision is not None
    assert (done.role, done.before, done.revision.based_on) == (Role.SHADOW, None, 1)
    assert done.revision.difference.splitlines()[0] == "~ one"  # to what is active
    assert (book.show().source, book.show(role=Role.SHADOW).source) == (ONE, TWO)
    assert book.shadow(TWO, "bob").changed is False
    entries = book.history()
    assert [(entry.revision.id, entry.roles) for entry in entries] == [
        (2, (Role.SHADOW,)),
        (1, (Role.ACTIVE,)),
    ]
    assert [each.author for each in entries[0].activations] == ["bob"]
    assert book.off("bob", Role.SHADOW).changed
    assert book.history()[0].roles == ()


def test_revisions_are_compared(book: Rulebook):
    book.apply(ONE, "ann")
    book.apply(THREE, "ann")
    old, new, lines = book.difference(1, 2)
    assert (old.id, new.id) == (1, 2)
    assert lines[0] == "+ two"
    with pytest.raises(UserError, match="revision 7"):
        book.difference(1, 7)


def test_every_change_is_in_the_audit(book: Rulebook, archive: Archive):
    book.apply(ONE, "ann")
    book.apply(ONE, "ann")
    book.apply(TWO, "bob")
    book.rollback("eve")
    book.shadow(TWO, "bob")
    book.off("bob", Role.SHADOW)
    book.off("eve")
    with archive.read() as tx:
        entries = [(each.actor, each.action, each.subject) for each in reversed(tx.audit.list())]
    assert entries == [
        ("ann", "rules.apply", "rules 1"),
        ("bob", "rules.apply", "rules 2"),
        ("eve", "rules.rollback", "rules 1"),
        ("bob", "rules.shadow", "rules 3"),
        ("bob", "rules.shadow.off", "rules"),
        ("eve", "rules.off", "rules"),
    ]


def test_a_revision_that_cannot_be_read_any_more_is_told_apart(archive: Archive, book: Rulebook):
    with archive.begin() as tx:
        made = tx.rulesets.add(
            digest="d",
            source="",
            plain={"format": 0},
            author="ann",
            note="",
            based_on=None,
            difference="",
            at=NOW,
        )
        tx.rulesets.activate(Role.ACTIVE, made.id, "ann", NOW)
        tx.commit()
    with pytest.raises(UserError, match="revision 1 of the rules cannot be read any more"):
        ruleset_of(book.show())
    assert book.apply(ONE, "ann").before == 1  # which does not keep one from replacing it
