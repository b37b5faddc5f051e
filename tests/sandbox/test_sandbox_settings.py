"""Settings survive the way to the child, and those that cannot be are refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from etl.errors import Exit, JobError
from etl.sandbox.settings import Misbehaviour, Settings, from_json, to_json


def test_settings_come_back_from_json_equal() -> None:
    settings = Settings(
        keys=("one", "ключ"),
        segmentation_off=("*",),
        limit_event=None,
        misbehaviour=Misbehaviour(seed=7, rate_429=0.25, retry_after=1.5),
    )
    assert from_json(to_json(settings)) == settings
    assert "\n" not in to_json(settings)


@pytest.mark.parametrize(
    "values",
    [
        {"rate_500": 1.1},
        {"rate_500": -0.1},
        {"rate_429": 0.6, "rate_503": 0.6},
        {"latency": -1},
        {"slow": -1},
        {"retry_after": -1},
        {"unauthorised_from": 0},
    ],
)
def test_misbehaviour_that_cannot_be_is_a_mistake_of_usage(values: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="expected") as caught:
        Misbehaviour(**values)
    assert caught.value.exit is Exit.USAGE


@pytest.mark.parametrize("values", [{"too_large": 500}, {"limit_event": 0}, {"depth_days": -1}, {"repeat_409": 0}])
def test_settings_that_cannot_be_are_a_mistake_of_usage(values: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="expected"):
        Settings(**values)


def test_tenths_may_sum_to_one() -> None:
    misbehaviour = Misbehaviour(
        rate_429=0.1, rate_500=0.2, rate_503=0.3, rate_half=0.1, rate_slow=0.1, rate_html=0.1, rate_hang_after=0.1
    )
    assert sum(misbehaviour.bands().values()) == pytest.approx(1)


def test_faults_of_single_events_do_not_count_among_those_of_requests() -> None:
    assert Misbehaviour(rate_server_error=0.9, rate_500=0.9).bands()["500"] == 0.9
