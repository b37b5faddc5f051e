"""What is read without SQL is read as SQL reads it."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from etl.mapping import time_reader
from etl.mapping.time_reader import RawTimes, TimeReader
from etl.sql import connect

CONNECTION = connect(memory="100MB", threads=1)
READER = TimeReader("VARCHAR", None)

two = st.integers(0, 99).map("{:02}".format)
fraction = st.just("") | st.text("0123456789", min_size=1, max_size=6).map(".{}".format)
zone = st.sampled_from(["Z", "+00:00", "-05:30", "+14:00", "+23:59", "-24:00", "+99:99"])
clock = st.builds("{}-{}-{}{}{}:{}:{}{}".format,
                  st.integers(0, 9999).map("{:04}".format), two, two, st.sampled_from(" T"), two, two, two, fraction)  # fmt: skip
sound = st.datetimes().map(lambda d: d.isoformat(sep=" "))


def by_sql(texts: list[str]) -> RawTimes:
    return READER._by_sql(pa.array(texts, pa.string()), CONNECTION)


@given(st.lists(sound, min_size=1, max_size=4) | st.lists(clock, min_size=1, max_size=2))
def test_texts_without_a_zone(texts: list[str]) -> None:
    found = time_reader._iso(pa.array(texts, pa.string()))
    if found is not None:
        assert (found.utc, found.local, found.kinds) == tuple(vars_of(by_sql(texts)))


@given(st.lists(st.builds("{}{}".format, sound | clock, zone), min_size=1, max_size=2))
def test_texts_with_a_zone(texts: list[str]) -> None:
    found = time_reader._iso(pa.array(texts, pa.string()))
    if found is not None:
        assert (found.utc, found.local, found.kinds) == tuple(vars_of(by_sql(texts)))


def test_common_forms_need_no_sql() -> None:
    for text in (
        "2026-11-01 10:00:00",
        "2026-11-01T10:00:00.123456",
        "2026-11-01T10:00:00Z",
        "2026-11-01 10:00:00.5+03:00",
    ):
        assert time_reader._iso(pa.array([text])) is not None


def test_values_come_back_in_their_order_each_as_often_as_it_stands() -> None:
    texts = ["2026-11-01 10:00:00", None, "1763900000", "2026-11-01 10:00:00", "soon"]
    found = READER.read(pa.array(texts), CONNECTION)
    assert [v and v.isoformat() for v in found.local.to_pylist()] == [
        "2026-11-01T10:00:00",
        None,
        None,
        "2026-11-01T10:00:00",
        None,
    ]
    assert [v and v.isoformat() for v in found.utc.to_pylist()] == [None, None, "2025-11-23T12:13:20", None, None]
    assert found.kinds.to_pylist() == [0, None, 1, 0, 0]


def vars_of(found: RawTimes) -> tuple[pa.Array, pa.Array, pa.Array]:
    return found.utc, found.local, found.kinds
