"""A shop's export in a folder, what must come of it, and the wait for a run to get under way."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.crashing.calls import Call
from benchmarks.crashing.kills import accepted_so_far
from benchmarks.crashing.setup import Scene, Setup
from benchmarks.crashing.shop import Expected


@dataclass(frozen=True, slots=True)
class Shop:
    """A scene whose export is written; its job file waits for a server."""

    setup: Setup
    scene: Scene
    expected: Expected


def await_accepted(shop: Shop, count: int, call: Call) -> None:
    """Wait until the server has taken so many events."""
    end = time.monotonic() + 30
    while accepted_so_far(shop.scene.record) < count:
        assert call.running(), call.said
        assert time.monotonic() < end, "the run does not get under way"
        time.sleep(0.005)
