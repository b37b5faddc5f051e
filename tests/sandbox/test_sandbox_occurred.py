"""The time of a past event: what is accepted, and the name of each fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.sandbox.occurred import Status, status

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TWO_YEARS = timedelta(days=731)


@pytest.mark.parametrize(
    ("occurred", "expected"),
    [
        (None, Status.REQUIRED),
        ("", Status.REQUIRED),
        ("2026-11-23", Status.ACCEPTED),
        ("2026-11-23T23:59", Status.ACCEPTED),
        ("2024-02-29", Status.TOO_DEEP),
        ("2023-02-29", Status.FORMAT),
        ("2026-11-23T24:00", Status.FORMAT),
        ("2026-11-23T10:00:00", Status.FORMAT),
        ("2026-11-23 10:00", Status.FORMAT),
        ("2026-11-23T10:00Z", Status.FORMAT),
        ("20261123", Status.FORMAT),
        ("2026-11-23\n", Status.FORMAT),
        ("٢٠٢٦-11-23", Status.FORMAT),
        (1764000000, Status.FORMAT),
        # Its zone is not known: what is still today somewhere is not in the future.
        ("2026-11-25T02:00", Status.ACCEPTED),
        ("2026-11-25T02:01", Status.FUTURE),
        ("2024-11-23T12:00", Status.ACCEPTED),
        ("2024-11-23T11:59", Status.TOO_DEEP),
    ],
)
def test_the_status_of_a_time(occurred: Any, expected: Status) -> None:
    assert status(occurred, NOW, TWO_YEARS) is expected


def test_without_a_depth_any_age_goes() -> None:
    assert status("0001-01-01", NOW, None) is Status.ACCEPTED
