"""Every fault as a client sees it, down to the socket, and what the record says of it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from etl.sandbox.settings import Misbehaviour

EVENT = {"eventTypeKey": "couponSeen", "keyValue": "c-1", "params": []}
PAST = EVENT | {"occurred": (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")}

Serve = Callable[..., Any]


def sole(client: Any) -> tuple[int, str | None, int]:
    """Status, fault and events of the only request on record."""
    (request,) = client.record.requests()
    return request.status, request.fault, request.events


@pytest.mark.parametrize(("rate", "status"), [("rate_429", 429), ("rate_500", 500), ("rate_503", 503)])
def test_a_refusal_for_now_records_nothing(serve: Serve, rate: str, status: int) -> None:
    client = serve(misbehaviour=Misbehaviour(**{rate: 1}))
    answer = client.event()
    assert answer.status_code == status
    assert "Retry-After" not in answer.headers
    assert sole(client) == (status, rate.removeprefix("rate_"), 0)


@pytest.mark.parametrize("rate", ["rate_429", "rate_503"])
def test_retry_after_comes_in_seconds_or_as_a_date(serve: Serve, rate: str) -> None:
    seconds = serve(misbehaviour=Misbehaviour(**{rate: 1}, retry_after=7))
    assert seconds.event().headers["Retry-After"] == "7"
    dated = serve(misbehaviour=Misbehaviour(**{rate: 1}, retry_after=7, retry_after_date=True))
    wait = parsedate_to_datetime(dated.event().headers["Retry-After"]).timestamp() - time.time()
    assert 5 < wait <= 8


def test_a_500_may_hide_an_event_that_was_accepted(serve: Serve) -> None:
    client = serve(misbehaviour=Misbehaviour(rate_500_after=1))
    assert client.event().status_code == 500
    assert sole(client) == (500, "500_after", 1)


@pytest.mark.parametrize(("rate", "events"), [("rate_reset_before", 0), ("rate_reset_after", 1)])
def test_a_reset_is_a_rst_on_the_socket(serve: Serve, rate: str, events: int) -> None:
    client = serve(misbehaviour=Misbehaviour(**{rate: 1}))
    with client.raw() as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert sole(client) == (0, rate.removeprefix("rate_"), events)
    with pytest.raises(requests.ConnectionError):
        client.event()


@pytest.mark.parametrize(("rate", "events"), [("rate_hang_before", 0), ("rate_hang_after", 1)])
def test_a_hang_never_answers_and_ends_with_the_server(serve: Serve, rate: str, events: int) -> None:
    client = serve(misbehaviour=Misbehaviour(**{rate: 1}))
    with client.raw() as connection:
        connection.settimeout(0.4)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert sole(client) == (0, rate.removeprefix("rate_"), events)
    with pytest.raises(requests.ReadTimeout):
        client.event(timeout=0.2)
    client.raw()  # Still open when the server stops, which must not wait for it.


def test_a_slow_answer_is_right_and_late_and_recorded_at_once(serve: Serve) -> None:
    client = serve(misbehaviour=Misbehaviour(rate_slow=1, slow=0.5))
    started = time.monotonic()
    with client.raw() as connection:
        time.sleep(0.15)
        assert sole(client) == (200, "slow", 1)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert 0.45 < time.monotonic() - started < 3


def test_latency_is_for_every_answer(serve: Serve) -> None:
    client = serve(misbehaviour=Misbehaviour(latency=0.1))
    for call in (client.event, client.info, lambda: client.event(b"{")):
        started = time.monotonic()
        call()
        assert time.monotonic() - started > 0.09
    assert {each.fault for each in client.record.requests()} == {None}


@pytest.mark.parametrize("path", ["/api/v2/event", "/api/v2/past_events"])
def test_half_an_answer_breaks_off_in_the_body_it_promised(serve: Serve, path: str) -> None:
    client = serve(misbehaviour=Misbehaviour(rate_half=1))
    body = EVENT if path.endswith("/event") else {"events": [PAST] * 3}
    with client.raw(json.dumps(body).encode(), path) as connection:
        received = b""
        while part := connection.recv(1000):
            received += part
    head, _, half = received.partition(b"\r\n\r\n")
    promised = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    assert head.startswith(b"HTTP/1.1 200")
    assert 0 < len(half) < promised
    assert sole(client) == (200, "half", 1 if path.endswith("/event") else 3)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.event()


def test_a_wrong_count_of_results_comes_from_past_events_only(serve: Serve) -> None:
    client = serve(misbehaviour=Misbehaviour(rate_wrong_count=1))
    assert client.event().status_code == 200
    said = client.past([PAST] * 7).json()
    assert (len(said["results"]), said["successCount"]) == (6, 7)
    assert [(each.fault, each.events) for each in client.record.requests()] == [(None, 1), ("wrong_count", 7)]


def test_server_error_strikes_single_events_which_are_not_recorded(serve: Serve) -> None:
    client = serve(misbehaviour=Misbehaviour(rate_server_error=0.5, seed=5))
    said = client.past([PAST | {"keyValue": str(n)} for n in range(101)]).json()
    good = [str(n) for n, each in enumerate(said["results"]) if each["status"] == "ACCEPTED"]
    assert {each["status"] for each in said["results"]} == {"ACCEPTED", "SERVER_ERROR"}
    assert 20 < len(good) < 80
    assert [each.key for each in client.record.events()] == good
    assert (said["successCount"], said["errorCount"]) == (len(good), 101 - len(good))
    assert sole(client) == (200, "server_error", len(good))


def test_a_200_can_be_a_page_of_somebody_else(serve: Serve) -> None:
    client = serve(misbehaviour=Misbehaviour(rate_html=1))
    answer = client.event()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")
    assert sole(client) == (200, "html", 0)


def test_a_key_can_be_disabled_from_the_nth_request_on(serve: Serve) -> None:
    client = serve(misbehaviour=Misbehaviour(unauthorised_from=3))
    assert client.info().status_code == 200
    assert [client.event().status_code for _ in range(4)] == [200, 200, 401, 401]
    assert client.info().status_code == 401
    assert client.record.accepted() == 2


def test_the_same_seed_and_requests_give_the_same_faults(serve: Serve) -> None:
    def faults(seed: int) -> list[str | None]:
        client = serve(
            limit_event=None, misbehaviour=Misbehaviour(seed=seed, rate_500=0.3, rate_503=0.2, rate_500_after=0.1)
        )
        for _ in range(53):
            client.event()
        return [each.fault for each in client.record.requests()]

    first = faults(11)
    assert first == faults(11)
    assert first != faults(12)
    assert {"500", "503", "500_after", None} == set(first)


def test_what_the_client_saw_and_what_was_stored_tell_the_same_story(serve: Serve) -> None:
    """Under all faults at once: what got a 200 is stored, what got a definite refusal is not."""
    some = {
        f"rate_{name}": 0.06
        for name in ("429", "500", "503", "500_after", "reset_before", "reset_after", "half", "html")
    }
    client = serve(limit_event=None, misbehaviour=Misbehaviour(seed=2, **some))
    seen: list[int | None] = []
    for n in range(211):
        try:
            answer = client.event(EVENT | {"keyValue": f"k{n}"})
            seen.append(None if answer.content.startswith(b"<!") else answer.status_code)
        except requests.RequestException:
            seen.append(None)
    stored = {each.key for each in client.record.events()}
    for n, status in enumerate(seen):
        if status == 200:
            assert f"k{n}" in stored
        if status in (429, 503):
            assert f"k{n}" not in stored
    requests_ = client.record.requests()
    assert len(requests_) == 211, "a client that does not retry is seen as often as it called"
    assert sum(each.events for each in requests_) == len(stored) == client.record.accepted()


def test_a_refused_body_meets_the_faults_of_the_wire_only(serve: Serve) -> None:
    client = serve(misbehaviour=Misbehaviour(rate_500_after=1))
    assert client.event(b"{").status_code == 400
    assert sole(client) == (400, None, 0)
    broken = serve(misbehaviour=Misbehaviour(rate_reset_after=1))
    with broken.raw(b"{") as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert sole(broken) == (0, "reset_after", 0)


def test_a_reset_leaves_other_connections_alone(serve: Serve) -> None:
    client = serve(limit_event=None, misbehaviour=Misbehaviour(seed=1, rate_reset_before=0.5))
    idle: socket.socket = client.connect()
    outcomes = set()
    for _ in range(20):
        try:
            outcomes.add(client.event().status_code)
        except requests.ConnectionError:
            outcomes.add(None)
    assert outcomes == {200, None}
    message = client.message(json.dumps(EVENT).encode())
    with idle:
        idle.sendall(message)
        try:
            assert idle.recv(100).startswith(b"HTTP/1.1 200")
        except ConnectionResetError:
            assert client.record.requests()[-1].fault == "reset_before"
