"""The record: what the writer promises, and what its readers say."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from etl.errors import InputError, JobError
from etl.sandbox.contract import Event
from etl.sandbox.record import Record
from etl.sandbox.recorder import Arrival, Recorder


def arrival(
    at: float, *events: Event, path: str = "/api/v2/event", method: str = "event", status: int = 200
) -> Arrival:
    return Arrival(at, path, status, None, method, events)


def event(key: str, n: int, type_: str = "t") -> Event:
    return Event(type_, key, None, f'{{"n": {n}, "a": "ж"}}')


def write(path: Path, *arrivals: Arrival) -> None:
    async def main() -> None:
        recorder = Recorder(path)
        await asyncio.gather(*(recorder.add(each) for each in arrivals))
        recorder.close()

    asyncio.run(main())


def test_what_is_added_is_there_for_other_connections_when_its_future_is_done(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"

    async def main() -> list[int]:
        recorder = Recorder(path)
        counts = []
        for n in range(7):
            await recorder.add(arrival(n, event("k", n)))
            counts.append(Record(path).accepted())
        recorder.close()
        return counts

    assert asyncio.run(main()) == [1, 2, 3, 4, 5, 6, 7]


def test_closing_commits_what_is_still_at_hand(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"

    async def main() -> bool:
        recorder = Recorder(path)
        future = recorder.add(arrival(1, event("k", 1)))
        recorder.close()
        return future.done()

    assert asyncio.run(main())
    assert Record(path).accepted() == 1


def test_an_existing_record_is_continued_in_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    write(path, arrival(1, event("a", 1)), arrival(2), arrival(3, event("b", 2), event("b", 3)))
    write(path, arrival(4, event("a", 4)))
    assert [(each.n, each.request, each.key) for each in Record(path).events()] == [
        (1, 1, "a"),
        (2, 3, "b"),
        (3, 3, "b"),
        (4, 4, "a"),
    ]
    assert [(each.n, each.events) for each in Record(path).requests()] == [(1, 1), (2, 0), (3, 2), (4, 1)]


def test_two_writers_on_one_record_do_not_collide(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"

    async def main() -> None:
        one, other = Recorder(path), Recorder(path)
        for n in range(11):
            await asyncio.gather(one.add(arrival(n, event("one", n))), other.add(arrival(n, event("other", n))))
        one.close()
        other.close()

    asyncio.run(main())
    numbers = {each.n: each for each in Record(path).requests()}
    assert len(numbers) == 22
    assert {each.request for each in Record(path).events()} == set(numbers)


def test_a_failed_commit_fails_its_arrivals_and_records_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"

    async def main() -> list[object]:
        recorder = Recorder(path)
        bad = Event("t", "\ud800", None, "{}")
        failed = await asyncio.gather(
            recorder.add(arrival(1, event("a", 1))), recorder.add(arrival(2, bad)), return_exceptions=True
        )
        await recorder.add(arrival(3, event("c", 3)))
        recorder.close()
        return failed

    failed = asyncio.run(main())
    assert all(isinstance(each, Exception) for each in failed)
    assert [each.key for each in Record(path).events()] == ["c"]


def test_the_record_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "r.sqlite"
    write(path, arrival(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_database_or_file_is_never_written_to(tmp_path: Path) -> None:
    database = tmp_path / "shop.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE orders(n)")
    text = tmp_path / "notes.txt"
    text.write_text("not a database, and longer than the header of one is, by far: " * 20)
    for path in (database, text):
        before = path.read_bytes()
        with pytest.raises(JobError, match="not a record"):
            Recorder(path)
        assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="cannot write"):
        Recorder(tmp_path / "file" / "r.sqlite")
    with pytest.raises(JobError, match="cannot write"):
        Recorder(tmp_path)


def test_readers_give_counts_bodies_and_order(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    past = "/api/v2/past_events"
    write(
        path,
        arrival(1, event("a", 1)),
        arrival(2, event("b", 2), event("a", 1), path=past, method="past_events"),
        arrival(3, event("a", 3, "u")),
    )
    record = Record(path)
    assert (record.accepted(), record.accepted("event"), record.accepted("past_events")) == (4, 2, 2)
    assert record.by_type() == {"t": 3, "u": 1}
    assert record.bodies() == {'{"a":"ж","n":1}': 2, '{"a":"ж","n":2}': 1, '{"a":"ж","n":3}': 1}
    assert record.bodies("past_events").total() == 2
    assert {key: [each.n for each in events] for key, events in record.order_by_key().items()} == {
        "a": [1, 3, 4],
        "b": [2],
    }
    assert [each.status for each in record.requests(past)] == [200]


def test_pace_is_read_from_arrivals(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    # Ten in the first tenth of a second, then one at 0.95 and two a second later.
    write(path, *(arrival(100 + at) for at in [*(n / 100 for n in range(10)), 0.95, 1.04, 1.5]))
    record = Record(path)
    assert record.busiest_second() == 11
    assert record.rate() == pytest.approx(12 / 1.5)
    assert record.rate("/api/v2/past_events") == 0
    assert record.busiest_second("/api/v2/past_events") == 0


def test_a_missing_or_foreign_record_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no record"):
        Record(tmp_path / "nowhere.sqlite").accepted()
    (tmp_path / "x").write_text("no database " * 100)
    with pytest.raises(InputError, match="not a record"):
        Record(tmp_path / "x").accepted()
