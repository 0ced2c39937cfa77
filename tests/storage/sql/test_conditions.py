"""Matching in SQL equals a plain matcher in Python, on both databases, for every kind of key."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from storage.archive import Archive
from storage.records.attributes import Level
from storage.records.matching import BadKey, parse
from storage.repos.query import QueryRepo
from storage.sql.conditions import successor
from tests.support.index import SeriesRows, StudyRows, fill
from tests.support.matcher import matches

# Signs that mean something to SQL, LIKE, GLOB or a regular expression, among letters of several scripts.
SIGNS = "aAbB1 _%[]^$.\\'\";-/!#ßéÉヤﾔ山ｶﾞ"
WORDS = st.text(SIGNS, max_size=5).map(str.strip)
PATTERNS = st.text(SIGNS + "*?*?", max_size=5)
NAME_SIGNS = "aAbB^^_%[]'éÉßヤﾔ山"
DATES = st.sampled_from(["", "20231231", "20240101", "20240102", "20240131", "20240201"])
TIMES = st.sampled_from(["", "00", "10", "1030", "103015", "103015.5", "103059", "104000", "235959.999999"])


def ranges(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(values, values).filter(any).map("-".join)
    return st.one_of(values, pair)


def names(signs: str) -> st.SearchStrategy[str]:
    return st.lists(st.text(signs, max_size=4), min_size=1, max_size=3).map("=".join)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """One archive for all examples; each rolls back what it wrote."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('matching') / 'index.db'}"
    else:
        url = request.getfixturevalue("postgres_server").create()
    archive = Archive.open(url)
    archive.upgrade()
    yield archive
    archive.close()
    if request.param == "postgresql":
        request.getfixturevalue("postgres_server").drop(url)


def found(archive: Archive, values: Sequence[dict[str, str]], keys: dict[str, str]) -> list[int]:
    """Return which of `values`, each a study of one series and instance, are found by `keys`."""
    rows = []
    for number, attributes in enumerate(values):
        uid = f"{number}"
        image = {"SOPInstanceUID": f"1.{uid}", **attributes}
        series = SeriesRows({"SeriesInstanceUID": f"2.{uid}", **attributes}, [image])
        rows.append(StudyRows({**attributes, "StudyInstanceUID": f"3.{uid}"}, [series]))
    fill(archive, rows)
    try:
        with archive.read() as tx:
            answers = list(QueryRepo(tx.connection).find(Level.IMAGE, parse(keys), ["StudyInstanceUID"]))
        return sorted(int(uid[2:]) for some in answers for (uid,) in some)
    finally:
        with archive.begin() as tx:
            for table in ("instance", "series", "study"):
                tx.connection.execute(text(f"DELETE FROM {table}"))
            tx.commit()


CASES: dict[str, tuple[st.SearchStrategy[str], st.SearchStrategy[str]]] = {
    "PatientID": (WORDS, PATTERNS),
    "StudyDescription": (WORDS, PATTERNS),
    "SeriesDescription": (WORDS, PATTERNS),
    "Modality": (st.sampled_from(["", "CT", "MR", "CR", "C"]), st.text("CTMR*?\\", max_size=6)),
    "PatientName": (names(NAME_SIGNS), names(NAME_SIGNS + "**??")),
    "StudyDate": (DATES, ranges(DATES)),
    "StudyTime": (TIMES, ranges(TIMES)),
    "SeriesNumber": (st.sampled_from(["", "1", "01", "-1", "12"]), st.sampled_from(["", "1", "-1", "1\\12"])),
    "InstanceNumber": (st.sampled_from(["", "1", " 2", "+2"]), st.sampled_from(["2", "1", "1\\2"])),
    "SOPClassUID": (st.sampled_from(["", "1.2", "1.2.3"]), st.sampled_from(["1.2", "1.2\\1.2.3", "1", ""])),
}


@pytest.mark.parametrize("keyword", CASES)
def test_sql_matches_as_plain_python(shared: Archive, keyword: str) -> None:
    kept, asked = CASES[keyword]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(kept, min_size=1, max_size=8), st.data())
    def check(values: list[str], data: st.DataObject) -> None:
        key = data.draw(st.one_of(asked, st.sampled_from(values)))
        entities = [{keyword: value} for value in values]
        try:
            parse({keyword: key})
        except BadKey:
            return
        expected = [n for n, entity in enumerate(entities) if matches({keyword: key}, entity)]
        assert found(shared, entities, {keyword: key}) == expected

    check()


def test_date_and_time_are_one_interval(shared: Archive) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(DATES, TIMES), min_size=1, max_size=8), ranges(DATES), ranges(TIMES))
    def check(moments: list[tuple[str, str]], dates: str, times: str) -> None:
        entities = [{"StudyDate": date, "StudyTime": time} for date, time in moments]
        keys = {"StudyDate": dates, "StudyTime": times}
        expected = [n for n, entity in enumerate(entities) if matches(keys, entity)]
        assert found(shared, entities, keys) == expected

    check()


def test_several_keys_at_once(shared: Archive) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.fixed_dictionaries({k: v[0] for k, v in CASES.items()}), min_size=1, max_size=6),
        st.data(),
    )
    def check(entities: list[dict[str, str]], data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(entities))
        chosen = data.draw(st.lists(st.sampled_from(sorted(CASES)), min_size=2, max_size=4, unique=True))
        keys = {
            keyword: data.draw(st.one_of(CASES[keyword][1], st.just(model[keyword]))) for keyword in chosen
        }
        try:
            parse(keys)
        except BadKey:
            return
        expected = [n for n, entity in enumerate(entities) if matches(keys, entity)]
        assert found(shared, entities, keys) == expected

    check()


@pytest.mark.parametrize(
    ("kept", "key", "match"),
    [
        ("1234", "_1234", False),  # T13: Orthanc 1.12.11
        ("1234", "%1234", False),
        ("1234", "%", False),
        ("1234", "____", False),
        ("_1234", "_1234", True),
        ("%1234", "%1*", True),
        ("a[b]c", "a[b]*", True),
        ("ab", "a[b]*", False),
        ("ab", "[a-b]?", False),
        ("a/b", "a/*", True),
        ("x'y", "x'y", True),
        ("x'y", "x'*y", True),
        ("x", "x' OR '1'='1", False),
        ("x", "*'; DROP TABLE study; --", False),
        ('q"', '?"', True),
        ("a\\b", "a\\*", True),
        ("ab", "a\\b", False),
        ("AB", "ab", False),
        ("AB", "a*", False),
        ("a:1 %s %(x)s", "a:1 %s*", True),
    ],
)
def test_signs_of_other_languages_mean_themselves(shared: Archive, kept: str, key: str, match: bool) -> None:
    assert found(shared, [{"PatientID": kept}], {"PatientID": key}) == ([0] if match else [])


@pytest.mark.parametrize(
    ("kept", "key", "match"),
    [
        ("ORIGINAL\\PRIMARY\\AXIAL", "PRIMARY", True),
        ("ORIGINAL\\PRIMARY\\AXIAL", "PRIM*", True),
        ("ORIGINAL\\PRIMARY\\AXIAL", "PRIM", False),
        ("ORIGINAL\\PRIMARY\\AXIAL", "DERIVED\\AXIAL", True),
        ("ORIGINAL\\PRIMARY\\AXIAL", "DERIVED\\AX*", True),
        ("", "PRIMARY", False),
    ],
)
def test_any_of_several_values_matches(shared: Archive, kept: str, key: str, match: bool) -> None:
    assert found(shared, [{"ImageType": kept}], {"ImageType": key}) == ([0] if match else [])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3), st.text(max_size=3))
def test_a_successor_ends_the_range_of_its_prefix(prefix: str, other: str) -> None:
    after = successor(prefix)
    if other.startswith(prefix):
        assert prefix <= other < after
    elif prefix.strip(chr(0x10FFFF)):
        assert not prefix <= other < after
    assert not any(0xD800 <= ord(sign) <= 0xDFFF for sign in after)
