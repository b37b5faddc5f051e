"""Lookups: small tables joined one to one to the rows, in the order of the file, by key or by key and time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_job import HEAD, NOW, batch_of, failures, faults, job_of, values

from etl.errors import InputError
from etl.job.read import JobMistakes
from etl.mapping import lookup_table
from etl.mapping.lookup_table import LookupInput
from etl.mapping.mapper import Mapped, Mapper
from etl.tables import PLACE

PAGE = "events:\n  - {type: pageViewed, page: {location: url}, params: {mail: crm.email}}\n"
CRM = "lookups:\n  crm: {path: crm.csv, key: id, on: visitor}\n"
TIMED = "lookups:\n  crm: {path: crm.csv, key: id, on: visitor, as_of: since}\ntime: at\n"


def table_of(rows: Sequence[dict[str, Any]], schema: pa.Schema | None = None, *, size: int = 1000) -> LookupInput:
    """A lookup's file as the source room gives it, `size` rows at a time."""
    table = batch_of(rows, schema)
    columns = pa.schema([field for field in table.schema if field.name not in PLACE.names])
    starts = range(0, table.num_rows, size)
    return LookupInput(
        columns, ["crm.csv"], lambda asked: (table.slice(n, size).select([*asked, *PLACE.names]) for n in starts)
    )


def map_with(
    text: str, rows: Sequence[dict[str, Any]], *, head: str = HEAD, size: int = 1000, **lookups: LookupInput
) -> Mapped:
    """Map rows with lookups, `size` rows a batch."""
    batch = batch_of(rows)
    columns = pa.schema([f for f in batch.schema if f.name not in PLACE.names])
    mapper = Mapper(job_of(text, head), columns, NOW, lookups=lookups)
    whole = Mapped()
    for start in range(0, batch.num_rows, size):
        mapper._map(batch.slice(start, size), whole)
    return whole


def mistakes_of(text: str, row: dict[str, Any], *, head: str = HEAD, **lookups: LookupInput) -> str:
    with pytest.raises(JobMistakes) as error:
        map_with(text, [row], head=head, **lookups)
    return str(error.value)


def visit(visitor: str | None, **more: str) -> dict[str, Any]:
    return {"user": "u", "visitor": visitor, "url": "/a", **more}


def test_a_row_finds_its_partner_and_null_where_there_is_none() -> None:
    crm = table_of([{"id": "00123", "email": "ann@example.com"}, {"id": "7", "email": ""}])
    mapped = map_with(CRM + PAGE, [visit("00123"), visit("123"), visit("7"), visit(None)], crm=crm)
    assert values(mapped, "params.mail") == ['"ann@example.com"', None, None, None]
    assert (mapped.rows, mapped.partners) == (4, {"crm": 2})


def test_null_and_blank_keys_match_nothing_and_are_no_duplicates_of_each_other() -> None:
    crm = table_of([{"id": key, "email": "x"} for key in ("", None, "  ", "1")])
    mapped = map_with(CRM + PAGE, [visit(""), visit(None), visit(" "), visit("1")], crm=crm)
    assert mapped.partners == {"crm": 1}
    on = CRM.replace("on: visitor", "on: \"' ' || left(visitor, 0)\"")
    assert map_with(on + PAGE, [visit("1")], crm=crm).partners == {}


def test_a_lookup_is_seen_by_filters_where_time_contact_fields_params_lines_and_each() -> None:
    crm = table_of([{"id": "1", "email": "a@b.cd", "vip": "yes", "seen": "2026-11-20T10:00:00Z", "skus": "x,y"}])
    head = HEAD.replace("contact: {externalCustomerId: user}", "contact: {email: crm.email}")
    text = CRM + (
        "time: crm.seen\nfilters: {strangers: crm is null}\nevents:\n"
        "  - type: pageViewed\n    where: crm.vip = 'yes'\n    each: string_split(crm.skus, ',')\n"
        "    page: {location: url || item}\n"
        "  - type: cartUpdated\n    lines: [crm.id]\n    recycleStateId: crm.id\n"
        "    products: {productId: user, quantity: 1, price: 1}\n"
    )
    mapped = map_with(text, [visit("1"), visit("2")], head=head, crm=crm)
    assert mapped.filtered == {"strangers": 1}
    assert values(mapped, "page.location") == ["/ax", "/ay"]
    assert values(mapped, "key") == ["a@b.cd"] * 2
    assert values(mapped, "instant")[0] == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert values(mapped, "recycleStateId", rule=1) == ["1"]


def test_a_lookup_may_lean_on_an_earlier_one_and_on_let() -> None:
    text = (
        "let: {who: trim(visitor)}\nlookups:\n  ids: {path: ids.csv, key: cookie, on: who}\n"
        "  crm: {path: crm.csv, key: id, on: 'coalesce(ids.user, who)'}\n" + PAGE
    )
    ids = table_of([{"cookie": "c1", "user": "1"}])
    crm = table_of([{"id": "1", "email": "ann@example.com"}, {"id": "2", "email": "bob@example.com"}])
    mapped = map_with(text, [visit(" c1 "), visit("2"), visit("c9")], ids=ids, crm=crm)
    assert values(mapped, "params.mail") == ['"ann@example.com"', '"bob@example.com"', None]
    assert mapped.partners == {"ids": 1, "crm": 2}


def test_where_keeps_rows_of_the_lookup_before_keys_are_compared() -> None:
    crm = table_of([{"id": "1", "email": e, "active": a} for e, a in (("old", "0"), ("new", "1"), ("none", ""))])
    text = CRM.replace("on: visitor", "on: visitor, where: active = '1'")
    assert values(map_with(text + PAGE, [visit("1")], crm=crm), "params.mail") == ['"new"']


@pytest.mark.parametrize(("keep", "mail"), [("first", '"a"'), ("last", '"c"')])
def test_of_a_key_that_stands_several_times_keep_says_which_row_counts(keep: str, mail: str) -> None:
    crm = table_of([{"id": "1", "email": e} for e in "abc"], size=1)
    text = CRM.replace("on: visitor", f"on: visitor, keep: {keep}")
    assert values(map_with(text + PAGE, [visit("1")], crm=crm), "params.mail") == [mail]


@pytest.mark.parametrize(
    ("key", "told", "secret"),
    [
        ("u-17", "`u-17`", "never"),
        ("ann@example.com", "`a***@example.com`", "ann"),
        ("+380 50 123 45 67", "`***67`", "123"),
    ],
)
def test_a_key_that_stands_twice_is_an_error_that_names_both_lines_and_no_contact(key: str, told: str, secret: str) -> None:  # fmt: skip
    crm = table_of([{"id": k, "email": "x"} for k in ("0", key, "1", key)], size=2)
    with pytest.raises(InputError) as error:
        map_with(CRM + PAGE, [visit("1")], crm=crm)
    assert error.value.message == f"lookup crm: the key {told} stands twice: crm.csv:3 and crm.csv:5"
    assert "lookups.crm.keep: first" in str(error.value)
    assert secret not in str(error.value)


def test_as_of_takes_the_newest_row_at_or_before_the_time_of_the_event() -> None:
    crm = table_of(
        [
            {"id": "1", "email": "second", "since": "2026-11-20 12:00"},
            {"id": "1", "email": "first", "since": "2026-11-20 10:00"},
            {"id": "1", "email": "never", "since": ""},
            {"id": "2", "email": "other", "since": "2026-11-20 09:00"},
        ]
    )
    rows = [visit("1", at=f"2026-11-20T{hour}Z") for hour in ("09:59:59", "10:00:00", "11:59:59", "12:00:00", "23:00")]
    rows.append({**visit("1"), "at": "soon"})
    mapped = map_with(TIMED + PAGE, rows, crm=crm)
    assert values(mapped, "params.mail") == [None, '"first"', '"first"', '"second"', '"second"', None]
    assert mapped.partners == {"crm": 4}


def test_as_of_reads_its_own_form_in_its_own_zone_else_that_of_the_job() -> None:
    crm = table_of([{"id": "1", "email": "x", "since": "20.11.2026 12:00"}])
    rows = [visit("1", at="2026-11-20 11:59"), visit("1", at="2026-11-20 12:00")]
    for zone, found in (("", [None, '"x"']), (", zone: UTC", [None, None]), (", zone: Asia/Tokyo", ['"x"'] * 2)):
        as_of = f"as_of: {{column: since, format: '%d.%m.%Y %H:%M'{zone}}}"
        text = TIMED.replace("as_of: since", as_of).replace("time: at", "time: {column: at, zone: Europe/Kyiv}")
        assert values(map_with(text + PAGE, rows, crm=crm), "params.mail") == found, zone


def test_as_of_with_equal_times_is_settled_by_keep_and_an_error_without() -> None:
    crm = table_of([{"id": "1", "email": e, "since": "2026-11-20T10:00:00Z"} for e in "abc"])
    row = visit("1", at="2026-11-20T11:00:00Z")
    for keep, mail in (("first", '"a"'), ("last", '"c"')):
        text = TIMED.replace("as_of: since", f"as_of: since, keep: {keep}") + PAGE
        assert values(map_with(text, [row], crm=crm), "params.mail") == [mail]
    with pytest.raises(InputError, match=r"`1` stands twice at one time: crm\.csv:2 and crm\.csv:3"):
        map_with(TIMED + PAGE, [row], crm=crm)


def test_a_time_with_a_zone_stays_that_instant_where_its_column_is_a_timestamp() -> None:
    crm = table_of([{"id": "1", "email": "x", "since": "2026-11-20T12:00:00+03:00"}])
    text = TIMED.replace("as_of: since", "as_of: since, types: {since: timestamp}")
    rows = [visit("1", at="2026-11-20T08:59:59Z"), visit("1", at="2026-11-20T09:00:00Z")]
    assert values(map_with(text + PAGE, rows, crm=crm), "params.mail") == [None, '"x"']


@pytest.mark.parametrize(
    ("lookup", "column", "value", "what"),
    [
        ("types: {email: int}", "email", "x", "types.email"),
        ("where: 'n::int > 0'", "n", "x", "where"),
        ("as_of: since", "since", "someday", "as_of"),
    ],
)
def test_a_row_of_a_lookup_that_does_not_fit_is_an_error_with_its_line(
    lookup: str, column: str, value: str, what: str
) -> None:
    good = {"id": "1", "email": "1", "n": "1", "since": "2026-11-20"}
    crm = table_of([good, {**good, "id": "2", column: value}])
    text = f"time: at\nlookups:\n  crm: {{path: crm.csv, key: id, on: visitor, {lookup}}}\n" + PAGE
    with pytest.raises(InputError) as error:
        map_with(text, [visit("1", at="2026-11-20")], crm=crm)
    assert error.value.message == f"lookup crm: crm.csv:3: `{what}` does not fit this row"


def test_where_on_fails_the_matches_that_use_the_lookup_are_invalid_and_no_other() -> None:
    crm = table_of([{"id": 1, "email": "x"}], pa.schema([("id", pa.int64()), ("email", pa.string())]))
    text = "lookups:\n  crm: {path: crm.csv, key: id, on: 'visitor::bigint'}\n" + PAGE
    text += "  - {type: searchRequest, search: url}\n  - {type: pageViewed, where: crm.email = 'x', page: {location: url}}\n"
    mapped = map_with(text, [visit("1"), visit("one")], crm=crm)
    assert faults(mapped) == [[], ["params.mail.failed"]]
    assert faults(mapped, 1) == [[], []]
    assert failures(mapped) == [(3, 2, "where.failed")]


def test_columns_of_a_lookup_are_called_by_any_of_their_names_and_only_those_are_held() -> None:
    rows = [{"Visitor ID": "1", "E-mail Address": "a@b.cd", "order": "7", "note": "x"}]
    text = "lookups:\n  crm: {path: crm.csv, key: visitor_id, on: visitor}\n" + (
        "events:\n  - {type: pageViewed, page: {location: url}, params: {a: crm.e_mail_address, b: crm.order, "
        "c: 'crm.\"E-mail Address\"', d: upper(CRM.Order)}}\n"
    )
    asked: list[Sequence[str]] = []
    crm = table_of(rows)
    watched = LookupInput(crm.schema, crm.files, lambda columns: (asked.append(columns), crm.read(columns))[1])
    mapped = map_with(text, [visit("1")], crm=watched)
    assert [values(mapped, f"params.{name}") for name in "abcd"] == [['"a@b.cd"'], ['"7"'], ['"a@b.cd"'], ['"7"']]
    assert asked == [("Visitor ID", "E-mail Address", "order")]


def test_a_lookup_as_a_whole_is_all_its_columns_that_are_not_null() -> None:
    crm = table_of([{"id": "1", "email": "x", "name": None}])
    text = CRM + PAGE.replace("crm.email", "crm")
    assert values(map_with(text, [visit("1"), visit("2")], crm=crm), "params.mail") == [
        '{"email":"x","id":"1"}',
        None,
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PAGE.replace("crm.email", "crm.emial"), "no column `emial` in lookup `crm`; did you mean `email`?"),
        (PAGE.replace("crm.email", "crn.email"), "no column `crn`; did you mean `crm`?"),
        ("let: {mail: crm.email}\n" + PAGE, "the lookup `crm` is not there yet: `let` comes before the lookups"),
        (PAGE.replace("crm.email", "crm.n + 1"), "try_cast"),
        (PAGE + "    where: crm.n = 1\n", "give the column a type in `lookups.crm.types`"),
    ],
)
def test_what_is_wrong_with_the_use_of_a_lookup_is_a_mistake_before_any_row_is_read(text: str, words: str) -> None:
    crm = table_of([{"id": "1", "email": "x", "n": "1"}])
    text = text.replace("}}\n    where", "}, where").replace("= 1\n", "= 1}\n") if "where" in text else text
    assert words in mistakes_of(CRM + text, visit("1"), crm=crm)


@pytest.mark.parametrize(
    ("lookup", "words"),
    [
        ("crm: {path: a, key: idd, on: visitor}", "lookups.crm.key: `idd`: no column `idd`; did you mean `id`?"),
        ("crm: {path: a, key: id, on: visitr}", "lookups.crm.on: `visitr`: no column `visitr`; did you mean"),
        ("crm: {path: a, key: id, on: visitor, where: id}", "lookups.crm.where: `id`: expected something that is true"),
        ("crm: {path: a, key: id, on: visitor, where: n = 1}", "give the column a type in `lookups.crm.types`"),
        ("crm: {path: a, key: id, on: visitor, where: visitor = 'x'}", "no column `visitor`"),
        ("crm: {path: a, key: id, on: 'visitor::int'}", "`on` is INTEGER and the lookup's `key` is VARCHAR"),
        ("crm: {path: a, key: 'n::int', on: visitor}", "give the text a type in `source.types`, or write try_cast(… as I"),
        ("crm: {path: a, key: id, on: visitor, types: {m: int}}", "lookups.crm.types.m: no column `m`"),
        ("url: {path: a, key: id, on: visitor}", "the source has a column `url`: give the lookup another name"),
        ("order: {path: a, key: id, on: visitor}", "`order` is a word of SQL: give the lookup another name"),
        ("crm: {path: a, key: id, on: now()}", "a plan must come out the same twice"),
        ("crm: {path: a, key: id, on: crm.id}", "the lookup `crm` is not there yet"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_lookup_is_a_mistake_at_its_key(lookup: str, words: str) -> None:
    table = table_of([{"id": "1", "n": "1"}])
    text = f"lookups:\n  {lookup}\nevents:\n  - {{type: pageViewed, page: {{location: url}}}}\n"
    assert words in mistakes_of(text, visit("1"), **{lookup.split(":")[0]: table})


def test_the_time_of_an_event_does_not_depend_on_a_lookup_that_is_taken_as_of_it() -> None:
    crm = table_of([{"id": "1", "email": "x", "since": "2026-11-20"}])
    own = mistakes_of(TIMED.replace("time: at", "time: 'coalesce(crm.since, url)'") + PAGE, visit("1", at="x"), crm=crm)
    assert "lookups.crm.as_of: the time of the event (`time.column`) depends on this lookup" in own
    below = TIMED.replace("time: at", "  days: {path: d.csv, key: id, on: visitor}\ntime: days.since")
    told = mistakes_of(below + PAGE, visit("1"), crm=crm, days=crm)
    assert "depends on `days`, which stands below" in told


def test_the_time_of_an_event_may_come_from_a_lookup_above() -> None:
    days = table_of([{"id": "1", "since": "2026-11-20T12:00:00Z"}])
    crm = table_of([{"id": "1", "email": e, "since": f"2026-11-20T{h}:00:00Z"} for e, h in (("a", 11), ("b", 13))])
    text = (
        "lookups:\n  days: {path: d.csv, key: id, on: visitor}\n"
        "  crm: {path: crm.csv, key: id, on: visitor, as_of: since}\ntime: days.since\n"
    )
    assert values(map_with(text + PAGE, [visit("1")], crm=crm, days=days), "params.mail") == ['"a"']


def test_a_rule_with_a_time_of_its_own_uses_no_lookup_as_of_the_jobs_time() -> None:
    crm = table_of([{"id": "1", "email": "x", "since": "2026-11-20"}])
    own = PAGE.replace("{type: pageViewed,", "{type: pageViewed, time: left_at,")
    row = visit("1", at="2026-11-21", left_at="2026-11-22")
    told = mistakes_of(TIMED + own, row, crm=crm)
    assert "events[0].time: lookup `crm` is taken as of the job's `time`, and this event has a time of its own" in told
    leaning = TIMED.replace("\ntime", "\n  more: {path: m.csv, key: id, on: crm.id}\ntime")
    assert "lookup `more`" in mistakes_of(leaning + own.replace("crm.email", "more.email"), row, crm=crm, more=crm)
    same = PAGE.replace("{type: pageViewed,", "{type: pageViewed, time: at,")
    assert values(map_with(TIMED + same, [row], crm=crm), "params.mail") == ['"x"']


def test_lookups_that_are_too_large_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup_table, "LIMIT", 3000)
    crm = table_of([{"id": str(n), "email": "x" * 20} for n in range(50)], size=10)
    assert map_with(CRM + PAGE, [visit("1")], crm=crm).partners == {"crm": 1}
    text = CRM + "  more: {path: crm.csv, key: id, on: visitor}\n" + PAGE
    with pytest.raises(InputError, match="lookup more is too large"):
        map_with(text.replace("crm.email", "crm.email || more.email"), [visit("1")], crm=crm, more=crm)


KEYS = st.sampled_from(["1", "2", "3", "04", "", None, "ж"])


@given(st.lists(st.tuples(KEYS, st.text("ab", max_size=2)), max_size=12), st.lists(KEYS, min_size=1, max_size=20),
       st.sampled_from(["first", "last"]), st.integers(1, 7))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_join_is_a_dictionary_and_the_size_of_batches_changes_nothing(
    table: list[tuple[str | None, str]], asked: list[str | None], keep: str, size: int
) -> None:
    rows = [{"id": key, "email": mail} for key, mail in table] or [{"id": None, "email": None}]
    partners = {key: mail for key, mail in (table[::-1] if keep == "first" else table) if key}
    text = CRM.replace("on: visitor", f"on: visitor, keep: {keep}") + PAGE.replace("url}", "'coalesce(url, user)'}")
    mapped = map_with(text, [visit(key) for key in asked], size=size, crm=table_of(rows, size=size))
    found = [mail for part in mapped.by_rule for mail in part.table["params.mail"].to_pylist()]
    assert found == [f'"{partners[key]}"' if partners.get(key or "") else None for key in asked]
    assert mapped.partners["crm"] == sum(key in partners for key in asked if key)


START = datetime(2026, 11, 20, tzinfo=UTC)
MOMENTS = st.integers(0, 20)


def moment(hour: int) -> str:
    return (START + timedelta(hours=hour)).isoformat()


@given(st.lists(st.tuples(KEYS, MOMENTS), max_size=15), st.lists(st.tuples(KEYS, MOMENTS), min_size=1, max_size=20),
       st.sampled_from(["first", "last"]), st.integers(1, 7))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_as_of_is_bisect_over_the_rows_of_the_key(
    table: list[tuple[str | None, int]], asked: list[tuple[str | None, int]], keep: str, size: int
) -> None:
    rows = [{"id": key, "since": moment(hour), "email": str(n)} for n, (key, hour) in enumerate(table)]
    history: dict[str, dict[int, int]] = {}
    for n, (key, hour) in reversed(list(enumerate(table))) if keep == "first" else enumerate(table):
        if key:
            history.setdefault(key, {})[hour] = n
    text = TIMED.replace("as_of: since", f"as_of: since, keep: {keep}") + PAGE
    crm = table_of(rows or [{"id": None, "since": None, "email": None}], size=size)
    mapped = map_with(text, [visit(key, at=moment(hour)) for key, hour in asked], size=size, crm=crm)
    expected = []
    for key, hour in asked:
        hours = sorted(history.get(key or "", {}))
        at = bisect_right(hours, hour)
        expected.append(f'"{history[key][hours[at - 1]]}"' if at and key else None)
    assert [mail for part in mapped.by_rule for mail in part.table["params.mail"].to_pylist()] == expected
