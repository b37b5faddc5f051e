"""Basic with any user name and an API key as the password."""

from __future__ import annotations

import base64

import pytest

from etl.sandbox.access import refusal
from etl.sandbox.settings import Settings


def basic(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


def status(header: str | None, *, info: bool = False, **settings: object) -> int:
    answer = refusal(header, Settings(**settings), info=info)  # type: ignore[arg-type]
    return 200 if answer is None else answer.status


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic %%%", "Basic w7w", "Bearer abc", basic("user:"), basic("user")]
)
def test_no_key_or_one_that_cannot_be_read_is_401(header: str | None) -> None:
    assert status(header) == 401


@pytest.mark.parametrize(
    "header", [basic("user:key"), basic(":key"), basic(":k:e:y"), basic(":ключ"), basic("u:k", "basic")]
)
def test_any_user_name_and_any_key_open_when_no_keys_are_set(header: str) -> None:
    assert status(header) == 200


def test_with_keys_set_only_these_open() -> None:
    assert status(basic(":one"), keys=("one", "two")) == 200
    assert status(basic(":two"), keys=("one", "two")) == 200
    assert status(basic(":one "), keys=("one", "two")) == 401


def test_a_known_key_without_the_right_is_403_everywhere() -> None:
    assert status(basic(":weak"), keys=("strong",), no_right=("weak",)) == 403
    assert status(basic(":weak"), no_right=("weak",), info=True) == 403


def test_the_right_to_ask_for_the_account_can_be_missing_alone() -> None:
    assert status(basic(":key"), info_right=False, info=True) == 403
    assert status(basic(":key"), info_right=False) == 200
    assert status(basic(":unknown"), keys=("key",), info_right=False, info=True) == 401
