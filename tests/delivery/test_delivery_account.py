"""Whose key it is."""

from __future__ import annotations

import time

import pytest
from outboxes import SECRET
from servers import Reply, free_port, serving

from etl.delivery.account import Account, check_account
from etl.errors import Exit, RefusedError


def test_the_organisation_that_the_api_names() -> None:
    answer = '{"userEmail":"a@b.ua","organisationName":"Крамниця"}'.encode()
    with serving(lambda _: Reply(200, answer)) as server:
        assert check_account(server.url, SECRET) == Account("Крамниця", None)
    (got,) = server.got
    assert got.line == "GET /api/v1/account/info HTTP/1.1"
    assert got.headers["authorization"].startswith("Basic ")
    assert got.body == b""


def test_a_refused_key_ends_it() -> None:
    with serving(lambda _: Reply(401)) as server, pytest.raises(RefusedError) as caught:
        check_account(server.url, SECRET)
    assert caught.value.exit is Exit.REFUSED
    assert SECRET not in str(caught.value)


def test_an_unknown_host_ends_it() -> None:
    with pytest.raises(RefusedError, match=r"unknown host no-such-host\.invalid"):
        check_account("https://no-such-host.invalid/api", SECRET)


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(403), "no right to ask"),
        (Reply(404), "404"),
        (Reply(500), "500"),
        (Reply(302, headers=(("Location", "/login"),)), "302"),
        (Reply(200, b"<html>"), "names none"),
        (Reply(200, b"[]"), "names none"),
        (Reply(200, b'{"organisationName":" "}'), "names none"),
        (Reply(reset=True), "broke"),
    ],
)
def test_what_cannot_be_asked_is_a_warning(reply: Reply, word: str) -> None:
    with serving(lambda _: reply) as server:
        found = check_account(server.url, SECRET)
    assert found.organisation is None
    assert found.warning is not None
    assert word in found.warning


def test_nobody_there_is_a_warning_since_the_first_event_will_tell() -> None:
    found = check_account(f"http://127.0.0.1:{free_port()}/api", SECRET)
    assert found.warning == "could not ask the API whose key this is: no connection: Connection refused (127.0.0.1)"


def test_it_takes_no_longer_than_the_timeout_in_all() -> None:
    before = time.monotonic()
    with serving(lambda _: Reply(200, b"x" * 999, drip=0.05)) as server:
        found = check_account(server.url, SECRET, timeout=0.4)
    assert time.monotonic() - before < 1.5
    assert found.warning is not None
    assert "no answer within 0.4 seconds" in found.warning
