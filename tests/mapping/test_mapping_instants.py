"""Times: ISO 8601, epochs by their digits, formats and native types, all as instants in UTC (RULES §5)."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapping_job import HEAD, faults, job_of, map_rows, values

from etl.mapping.instants import localise

EVENTS = "events:\n  - {type: pageViewed, page: {location: user}}\n"


def instants(texts: list[Any], time: str = "{column: t}", kind: pa.DataType | None = None) -> list[str | None]:
    schema = pa.schema([("user", pa.string()), ("t", kind or pa.string())])
    mapped = map_rows(job_of(EVENTS, HEAD + f"time: {time}\n"), [{"user": "u", "t": text} for text in texts], schema)
    return [v.isoformat() if v else None for v in values(mapped, "instant")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22 10:00:00.718000+00:00", "2026-11-22T10:00:00.718000+00:00"),
        ("2026-11-22T10:00:00+0300", "2026-11-22T07:00:00+00:00"),
        ("2026-11-22T10:00:00-05", "2026-11-22T15:00:00+00:00"),
        ("2026-11-22 10:00:00 +0000", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22 10:00:00.5 +05:30", "2026-11-22T04:30:00.500000+00:00"),
        ("2026-11-22 10:00:00 -0530", "2026-11-22T15:30:00+00:00"),
        ("2026-11-22 9:00 +03", "2026-11-22T06:00:00+00:00"),
        ("2026-11-22T10:00:00z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00 Z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00:00UTC", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22 10:00:00 UTC", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22 10:00:00GMT", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22 10:00 GMT", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22", "2026-11-22T00:00:00+00:00"),
        ("20261122", "2026-11-22T00:00:00+00:00"),
        ("1763900000", "2025-11-23T12:13:20+00:00"),
        ("1763900000.5", "2025-11-23T12:13:20.500000+00:00"),
        ("1763900000025", "2025-11-23T12:13:20.025000+00:00"),
        ("1763900000025001", "2025-11-23T12:13:20.025001+00:00"),
        ("2026-13-01", None),
        ("2026-11-22 10:00:00 and more", None),
        ("176390000", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_text_is_read_as_iso_8601_or_as_an_epoch_by_its_digits(text: str, expected: str | None) -> None:
    assert instants([text]) == [expected]


def test_one_column_holds_one_kind_of_time() -> None:
    job = job_of(EVENTS, HEAD + "time: {column: t}\n")
    texts = ["1763900000", "1763900000025", "2026-11-22", "1763900001"]
    assert faults(map_rows(job, [{"user": "u", "t": text} for text in texts])) == [[], ["time"], ["time"], []]


def test_a_format_reads_what_iso_does_not() -> None:
    assert instants(
        ["1/12/2010 08:26", "31/12/2010 8:05", "12/31/2010 8:05"], "{column: t, format: '%d/%m/%Y %H:%M'}"
    ) == [
        "2010-12-01T08:26:00+00:00",
        "2010-12-31T08:05:00+00:00",
        None,
    ]
    assert instants(
        ["10/Oct/2000:13:55:36 -0700"], "{column: t, zone: Asia/Tokyo, format: '%d/%b/%Y:%H:%M:%S %z'}"
    ) == ["2000-10-10T20:55:36+00:00"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (
            datetime(2026, 11, 22, 10, tzinfo=UTC),
            pa.timestamp("ms", tz="America/New_York"),
            "2026-11-22T10:00:00+00:00",
        ),
        (datetime(2026, 11, 22, 10), pa.timestamp("ns"), "2026-11-22T08:00:00+00:00"),
        (date(2026, 11, 22), pa.date32(), "2026-11-21T22:00:00+00:00"),
        (1763900000, pa.int64(), "2025-11-23T12:13:20+00:00"),
        (1763900000.25, pa.float64(), "2025-11-23T12:13:20.250000+00:00"),
    ],
)
def test_native_types_are_times_already(value: Any, kind: pa.DataType, expected: str) -> None:
    assert instants([value], "{column: t, zone: Europe/Kyiv}", kind) == [expected]


@pytest.mark.parametrize(
    ("value", "kind"),
    [(float("nan"), pa.float64()), (float("-inf"), pa.float32()), (1e300, pa.float64()), (10**17, pa.timestamp("s"))],
)
def test_a_native_value_that_is_no_time_is_a_missing_time_and_no_failure(value: Any, kind: pa.DataType) -> None:
    schema = pa.schema([("user", pa.string()), ("t", kind)])
    mapped = map_rows(job_of(EVENTS, HEAD + "time: {column: t}\n"), [{"user": "u", "t": value}], schema)
    assert (faults(mapped), mapped.failed) == ([["time"]], [])


def test_a_local_time_that_occurs_twice_is_the_earlier_and_one_that_does_not_moves_forward_by_the_gap() -> None:
    found = instants(
        ["2026-10-25 03:30:00", "2026-03-29 03:30:00", "2026-03-29 04:30:00"], "{column: t, zone: Europe/Kyiv}"
    )
    assert found == ["2026-10-25T00:30:00+00:00", "2026-03-29T01:30:00+00:00", "2026-03-29T01:30:00+00:00"]
    lord_howe = instants(["2026-10-04 02:15:00"], "{column: t, zone: Australia/Lord_Howe}")
    assert lord_howe == ["2026-10-03T15:45:00+00:00"]  # the gap there is half an hour


def test_the_moved_times_are_counted() -> None:
    job = job_of(EVENTS, HEAD + "time: {column: t, zone: Europe/Kyiv}\n")
    texts = ["2026-10-25 03:30:00", "2026-10-25 03:45:00", "2026-03-29 03:30:00", "2026-06-01 00:00:00"]
    mapped = map_rows(job, [{"user": "u", "t": text} for text in texts])
    assert (mapped.moved_times.twice, mapped.moved_times.skipped) == (2, 1)


TYPED = HEAD.replace("path: in.csv", "path: in.csv, types: {t: timestamp}")
OF_TYPED = [
    ("2026-07-20T10:00:00Z", "2026-07-20T10:00:00+00:00", "2026-07-20T13:00:00"),
    ("2026-07-20T10:00:00+05:00", "2026-07-20T05:00:00+00:00", "2026-07-20T08:00:00"),
    ("2026-07-20 10:00:00.25", "2026-07-20T07:00:00.250000+00:00", "2026-07-20T10:00:00.250000"),
    ("2026/7/20 9:30", "2026-07-20T06:30:00+00:00", "2026-07-20T09:30:00"),
    ("2026-10-25T03:30:00+02:00", "2026-10-25T01:30:00+00:00", "2026-10-25T03:30:00"),  # the second 03:30 of that day
]


@pytest.mark.parametrize(("text", "instant", "local"), OF_TYPED)
def test_a_column_of_type_timestamp_keeps_the_zone_that_its_text_carries(text: str, instant: str, local: str) -> None:
    events = EVENTS.replace("location: user", "location: user}, params: {at: t")
    job = job_of(events, TYPED + "time: {column: t, zone: Europe/Kyiv}\n")
    mapped = map_rows(job, [{"user": "u", "t": text}])
    assert faults(mapped) == [[]]
    assert values(mapped, "instant")[0].isoformat() == instant
    assert values(mapped, "params.at") == [f'"{local}"']  # as an expression sees it: on a clock in Kyiv


@pytest.mark.parametrize("time", ["{column: t, zone: Asia/Tokyo}", "{column: 'coalesce(t, t)', zone: Asia/Tokyo}"])
def test_such_a_zone_is_not_lost_in_an_expression_nor_in_a_rule_of_another_zone(time: str) -> None:
    rows = [{"user": "u", "t": "2026-07-20T10:00:00+05:00"}]
    whole = map_rows(job_of(EVENTS, TYPED + f"time: {time}\n"), rows)
    rule = map_rows(
        job_of(EVENTS.replace("type:", "time: {column: t, zone: Asia/Tokyo}, type:"), TYPED + "time: t\n"), rows
    )
    for mapped in (whole, rule):
        assert values(mapped, "instant") == [datetime(2026, 7, 20, 5, tzinfo=UTC)]


@pytest.mark.parametrize("text", ["2026-07-20 10:00:00 PM", "2026-07-20 10:00:00 BC", "1763900000", "epoch", "soon"])
def test_a_text_of_which_sql_would_drop_a_part_is_no_timestamp(text: str) -> None:
    assert "time.failed" in faults(map_rows(job_of(EVENTS, TYPED + "time: t\n"), [{"user": "u", "t": text}]))[0]


@given(
    st.lists(
        st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)).map(lambda drawn: drawn.replace(fold=0)),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_local_times_are_placed_as_pep_495_places_them_with_fold_0(local: list[datetime], zone: str) -> None:
    from zoneinfo import ZoneInfo

    found, _, _ = localise(pa.array(local, pa.timestamp("us")), zone)
    assert found.to_pylist() == [moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for moment in local]
