"""A sandbox in its own process for each test that asks, and a shop that posts to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from called import Shop

from etl.sandbox.process import Child, start_child
from etl.sandbox.record import Record
from etl.sandbox.settings import Misbehaviour, Settings


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Start a sandbox with these settings; several in one test share nothing."""
    with ExitStack() as stack:

        def start(name: str = "record", misbehaviour: Misbehaviour | None = None, **settings: object) -> Child:
            # No limit to how old an event may be: the tests' own days grow old.
            given = {"limit_event": None, "depth_days": None} | settings
            asked = Settings(misbehaviour=misbehaviour or Misbehaviour(), **given)  # type: ignore[arg-type]
            return stack.enter_context(start_child(tmp_path / f"{name}.sqlite", asked))

        yield start


@pytest.fixture
def shop(tmp_path: Path, serve: Callable[..., Child]) -> Shop:
    """A shop that posts to a well-behaved sandbox."""
    folder = tmp_path / "shop"
    folder.mkdir()
    return Shop(folder, serve().url)


@pytest.fixture
def record(tmp_path: Path) -> Callable[[], Record]:
    """What the sandbox has accepted so far."""
    return lambda name="record": Record(tmp_path / f"{name}.sqlite")
