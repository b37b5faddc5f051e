"""Which signals ask a call to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from etl.cli.call import _drained_by_signals
from etl.delivery.stop import StopFlag


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_for_a_drain_and_the_second_for_an_end_at_once(number: signal.Signals) -> None:
    stop = StopFlag()
    with _drained_by_signals(stop):
        os.kill(os.getpid(), number)
        assert (stop.requested, stop.urgent) == (True, False)
        os.kill(os.getpid(), number)
        assert stop.urgent


def test_a_hang_up_that_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = StopFlag()
    with _drained_by_signals(stop):
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.requested
