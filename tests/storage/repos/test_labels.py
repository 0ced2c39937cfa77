from storage.archive import Archive
from storage.records.arrival import Place
from storage.records.rulings import Label
from storage.records.schema import INDEXABLE
from tests.support.arrivals import NOW, arrival, put


def places(archive: Archive, count: int, study: int = 1) -> list[Place]:
    """Instances of one study, two to a series."""
    arrivals = [arrival(study, 1 + number // 2, number) for number in range(count)]
    return [each.place for each in put(archive, *arrivals) if each.place is not None]


def on(level: str, place: Place, name: str) -> Label:
    rows = {"instance": place.instance_row, "series": place.series_row, "study": place.study_row}
    return Label(level, rows[level], place.study_row, name, "rule", NOW)


def test_an_instance_has_its_own_labels_and_those_of_what_it_is_in(archive: Archive) -> None:
    first, second, third = places(archive, 3)
    (other,) = places(archive, 1, study=2)
    with archive.begin() as tx:
        assert tx.labels.add(on("instance", first, "b"), on("series", first, "c")) == 2
        assert tx.labels.add(on("study", first, "a"))
        assert tx.labels.add(on("instance", first, "a"))
        tx.commit()
    with archive.read() as tx:
        assert tx.labels.of(first) == ("a", "b", "c")
        assert tx.labels.of_many([first, second, third, other]) == {
            first.instance_row: ("a", "b", "c"),
            second.instance_row: ("a", "c"),
            third.instance_row: ("a",),
        }
        assert tx.labels.of(other) == ()
        assert tx.labels.of_many([]) == {}


def test_rows_of_different_levels_are_not_mixed_up(archive: Archive) -> None:
    (place,) = places(archive, 1)
    row = place.instance_row
    with archive.begin() as tx:
        tx.labels.add(Label("study", row + 1000, place.study_row, "x", "", NOW))
        assert tx.labels.of(Place(row, row + 1000, place.study_row)) == ()
        assert tx.labels.of(Place(row, place.series_row, row + 1000)) == ("x",)


def test_a_label_is_given_once_and_can_be_taken_away(archive: Archive) -> None:
    (place,) = places(archive, 1)
    label = on("study", place, "research")
    with archive.begin() as tx:
        assert tx.labels.add(label)
        assert not tx.labels.add(label)
        assert tx.labels.of_study(place.study_row) == [label]
        assert tx.labels.remove("study", place.study_row, "research")
        assert not tx.labels.remove("study", place.study_row, "research")
        assert tx.labels.of_study(place.study_row) == []


def test_more_instances_than_one_statement_asks_for(archive: Archive) -> None:
    many = places(archive, 150)
    with archive.begin() as tx:
        tx.labels.add(*(on("instance", place, f"n{place.instance_row}") for place in many))
        found = tx.labels.of_many(many)
    assert found == {place.instance_row: (f"n{place.instance_row}",) for place in many}


def test_a_label_longer_than_an_index_takes_is_cut(archive: Archive) -> None:
    (place,) = places(archive, 1)
    with archive.begin() as tx:
        assert tx.labels.add(on("study", place, "å" * 5000))
        assert tx.labels.of(place) == ("å" * INDEXABLE,)
        assert tx.labels.remove("study", place.study_row, "å" * 5000)
