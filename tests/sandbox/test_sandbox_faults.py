"""Which fault a request meets: by the seed and the sequence, and nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from etl.sandbox.contract import Batch, Event
from etl.sandbox.faults import BEFORE, ON_THE_WIRE, SILENT, Faults, retry_after
from etl.sandbox.occurred import Status
from etl.sandbox.settings import Misbehaviour

SOME = {"rate_429": 0.05, "rate_500": 0.1, "rate_reset_after": 0.2, "rate_wrong_count": 0.1}


def drawn(seed: int, n: int = 1003) -> list[str | None]:
    faults = Faults(Misbehaviour(seed=seed, **SOME))
    return [faults.draw(batch=True) for _ in range(n)]


def test_the_same_seed_gives_the_same_sequence_and_another_seed_another() -> None:
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_faults_come_as_often_as_told() -> None:
    seen = Counter(drawn(1, 20_011))
    for name, rate in SOME.items():
        assert abs(seen[name.removeprefix("rate_")] / 20_011 - rate) < 0.01
    assert set(seen) == {"429", "500", "reset_after", "wrong_count", None}


def test_a_rate_of_one_hits_every_request() -> None:
    faults = Faults(Misbehaviour(rate_503=1))
    assert {faults.draw(batch=False) for _ in range(101)} == {"503"}


def test_without_rates_nothing_happens() -> None:
    assert Faults(Misbehaviour()).draw(batch=True) is None


def test_a_single_event_has_no_results_to_miscount() -> None:
    faults = Faults(Misbehaviour(rate_wrong_count=1))
    assert faults.draw(batch=False) is None
    assert faults.draw(batch=True) == "wrong_count"


def test_every_named_fault_exists() -> None:
    assert BEFORE | ON_THE_WIRE | SILENT | {"500_after", "wrong_count"} == set(Misbehaviour().bands())


def test_server_errors_strike_accepted_events_only_and_leave_the_requests_draws_alone() -> None:
    event = Event("t", "k", None, "{}")
    batch = Batch((Status.ACCEPTED, Status.REQUIRED) * 250, (event,) * 500)
    faults = Faults(Misbehaviour(seed=3, rate_server_error=0.5, **SOME))
    spoilt = faults.spoil(batch)
    assert spoilt.statuses[1::2] == (Status.REQUIRED,) * 250
    assert 80 < spoilt.statuses.count(Status.SERVER_ERROR) < 170
    assert len(spoilt.accepted()) == spoilt.statuses.count(Status.ACCEPTED)
    assert [faults.draw(batch=True) for _ in range(1003)] == drawn(3)


def test_retry_after_is_off_whole_seconds_or_a_date() -> None:
    now = 1_764_000_000.2
    assert retry_after(Misbehaviour(), now) == ()
    assert retry_after(Misbehaviour(retry_after=1.5), now) == (("Retry-After", "2"),)
    ((_, date),) = retry_after(Misbehaviour(retry_after=2, retry_after_date=True), now)
    assert date.endswith(" GMT")
    assert parsedate_to_datetime(date) == datetime.fromtimestamp(1_764_000_003, UTC)
