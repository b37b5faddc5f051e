"""The contract over real HTTP on loopback, row by row of api-facts.md §4."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from etl.sandbox.contract import EVENT_BYTES
from etl.sandbox.settings import Misbehaviour

EVENT = {"eventTypeKey": "couponSeen", "keyValue": "c-1", "params": [{"name": "coupon", "value": "X1"}]}
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")

Serve = Callable[..., Any]


def test_a_valid_event_is_200_with_an_empty_body_and_no_content_type(serve: Serve) -> None:
    client = serve()
    answer = client.event()
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "0"
    assert "Content-Type" not in answer.headers
    (stored,) = client.record.events()
    assert (stored.n, stored.method, stored.type, stored.key, stored.occurred) == (
        1,
        "event",
        "couponSeen",
        "c-1",
        None,
    )
    assert stored.body == json.dumps(EVENT, ensure_ascii=False)
    assert abs(stored.at - time.time()) < 5


def test_account_info_names_the_organisation(serve: Serve) -> None:
    client = serve(organisation="Наша крамниця", email="a@example.com")
    answer = client.info()
    assert answer.json() == {"userEmail": "a@example.com", "organisationName": "Наша крамниця"}
    assert answer.headers["Content-Type"] == "application/json"


def test_credentials_are_asked_for_on_every_path(serve: Serve) -> None:
    client = serve(keys=("right",), no_right=("weak",), info_right=False)
    for key, expected in (("wrong", 401), ("weak", 403), ("right", 200)):
        assert client.event(auth=("u", key)).status_code == expected
    client.session.auth = None
    assert client.event().status_code == 401
    assert client.event(headers={"Authorization": "Bearer right"}).headers["WWW-Authenticate"].startswith("Basic")
    assert client.past([]).status_code == 401
    assert client.info(auth=("u", "wrong")).status_code == 401
    assert client.info(auth=("u", "right")).status_code == 403


def test_other_verbs_are_405_and_name_the_right_one(serve: Serve) -> None:
    client = serve()
    for verb, path, allowed in (
        ("GET", "/v2/event", "POST"),
        ("PUT", "/v2/past_events", "POST"),
        ("POST", "/v1/account/info", "GET"),
    ):
        answer = client.session.request(verb, client.url + path, json=EVENT, timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


def test_other_media_types_are_415(serve: Serve) -> None:
    client = serve()
    for media in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert client.event(headers={"Content-Type": media}).status_code == 415
    assert client.event(headers={"Content-Encoding": "gzip"}).status_code == 415
    assert client.event(headers={"Content-Type": "application/json; charset=UTF-8"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/event", "/v3/event", "/v2/event/", "/v2"])
def test_unknown_paths_are_404(serve: Serve, path: str) -> None:
    client = serve()
    assert client.session.post(client.url + path, json=EVENT, timeout=10).status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"{", {"keyValue": "k"}, EVENT | {"keyValue": "a/b"}, {"eventTypeKey": "t"}, EVENT | {"params": [{"name": "n"}]}],
)
def test_a_faulty_event_is_400_with_a_text_and_is_not_stored(serve: Serve, body: Any) -> None:
    client = serve()
    answer = client.event(body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text
    assert client.record.accepted() == 0
    assert [(each.status, each.events) for each in client.record.requests()] == [(400, 0)]


def test_type_validation_can_be_on(serve: Serve) -> None:
    page = {"eventTypeKey": "pageViewed", "keyValue": "k", "params": [{"name": "page", "value": "{}"}]}
    assert serve().event(page).status_code == 200
    answer = serve(check_types=True).event(page)
    assert answer.status_code == 400
    assert answer.text == "pageViewed: expected params page: JSON {location: String}; wrong or missing: page.location"


@pytest.mark.parametrize("status", [413, 400])
def test_over_20_kb_is_413_or_400(serve: Serve, status: int) -> None:
    client = serve(too_large=status)
    for size in (EVENT_BYTES, 3_000_001, 12_000_001):
        assert client.event(EVENT | {"params": [{"name": "n", "value": "x" * size}]}).status_code == status
    assert client.event().status_code == 200, "the connection goes on"


def test_repeats_are_stored_twice_or_409(serve: Serve) -> None:
    client = serve()
    assert [client.event().status_code for _ in range(2)] == [200, 200]
    assert client.record.accepted() == 2
    strict = serve(repeat_409=0.5)
    assert [strict.event().status_code for _ in range(2)] == [200, 409]
    assert strict.event(EVENT | {"keyValue": "other"}).status_code == 200
    time.sleep(0.6)
    assert strict.event().status_code == 200
    assert strict.record.accepted() == 3


def test_a_full_batch_is_answered_event_by_event(serve: Serve) -> None:
    client = serve()
    events = [EVENT | {"keyValue": f"k{n}", "occurred": YESTERDAY if n % 3 else "never"} for n in range(500)]
    answer = client.past(events)
    assert answer.status_code == 200
    said = answer.json()
    statuses = [each["status"] for each in said["results"]]
    assert statuses == ["ACCEPTED" if n % 3 else "INCORRECT_OCCURRED_DATE_FORMAT" for n in range(500)]
    assert (said["successCount"], said["errorCount"]) == (333, 167)
    stored = client.record.events()
    assert [each.key for each in stored] == [f"k{n}" for n in range(500) if n % 3]
    assert {(each.method, each.request, each.occurred) for each in stored} == {("past_events", 1, YESTERDAY)}
    assert client.past([*events, events[0]]).status_code == 400


def test_a_batch_of_the_largest_events_comes_through(serve: Serve) -> None:
    client = serve()
    event = EVENT | {"occurred": YESTERDAY, "params": [{"name": "n", "value": "x" * 20_000}]}
    assert client.past([event] * 500).json()["successCount"] == 500


def test_a_client_may_ask_before_it_sends_its_body(serve: Serve) -> None:
    client = serve()
    with client.connect() as connection:
        message = client.message(json.dumps(EVENT).encode())
        head, _, body = message.partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(("setting", "send"), [("limit_event", "event"), ("limit_past_events", "past")])
def test_above_the_limit_it_is_429_until_the_second_is_over(serve: Serve, setting: str, send: str) -> None:
    client = serve(**{setting: 5}, misbehaviour=Misbehaviour(retry_after=1))
    argument: Any = EVENT if send == "event" else [EVENT | {"occurred": YESTERDAY}]
    # A slow machine may need more than a second for the eight: then it tries the next second.
    for _ in range(5):
        time.sleep(1.02 - time.time() % 1)
        second = int(time.time())
        answers = [getattr(client, send)(argument) for _ in range(8)]
        info = client.info()
        if int(time.time()) == second:
            break
    assert [each.status_code for each in answers] == [200] * 5 + [429] * 3
    assert answers[-1].headers["Retry-After"] == "1"
    assert info.status_code == 200, "another method has a limit of its own"
    time.sleep(1.02 - time.time() % 1)
    assert getattr(client, send)(argument).status_code == 200
    requests_ = [each for each in client.record.requests() if each.status == 200 and "account" not in each.path]
    assert client.record.accepted() == len(requests_), "what was over the limit is not recorded"


def test_by_default_the_limit_names_no_time(serve: Serve) -> None:
    client = serve(limit_event=1)
    while (answer := client.event()).status_code == 200:
        pass
    assert "Retry-After" not in answer.headers


def test_a_connection_is_kept_alive_and_closed_after_idling(serve: Serve) -> None:
    client = serve(keep_alive=0.3)
    message = client.message(json.dumps(EVENT).encode())
    with client.connect() as connection:
        for _ in range(25):
            connection.sendall(message)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        assert connection.recv(1) == b"", "closed when idle"
        assert 0.2 < time.monotonic() - started < 5


def test_an_event_is_recorded_before_its_answer_leaves(serve: Serve) -> None:
    client = serve(limit_event=None)
    for n in range(1, 60):
        assert client.event().status_code == 200
        assert client.record.accepted() == n


def test_a_client_that_dies_after_sending_loses_nothing(serve: Serve) -> None:
    client = serve(limit_event=None)
    body = json.dumps(EVENT).encode()
    for _ in range(31):
        client.raw(body).close()
    deadline = time.monotonic() + 5
    while client.record.accepted() < 31 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert client.record.accepted() == 31


def test_a_request_that_breaks_off_in_its_body_is_not_recorded(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    client = serve()
    message = client.message(json.dumps(EVENT).encode())
    connection = client.connect()
    connection.sendall(message[:-10])
    time.sleep(0.05)
    connection.close()
    assert client.event().status_code == 200
    assert client.record.accepted() == 1
    assert "Traceback" not in capfd.readouterr().err


def test_every_whole_request_is_on_record_in_order_of_arrival(serve: Serve) -> None:
    client = serve(keys=("a-key",))
    client.info()
    client.event()
    client.event(b"{")
    client.event(auth=("u", "wrong"))
    client.session.get(client.url + "/nothing", timeout=10)
    found = [(each.n, each.path, each.status, each.fault, each.events) for each in client.record.requests()]
    assert found == [
        (1, "/api/v1/account/info", 200, None, 0),
        (2, "/api/v2/event", 200, None, 1),
        (3, "/api/v2/event", 400, None, 0),
        (4, "/api/v2/event", 401, None, 0),
        (5, "/api/nothing", 404, None, 0),
    ]


def test_what_is_no_http_is_400_and_harms_nothing(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    client = serve()
    for message in (b"GET /api/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01 hello\r\n\r\n"):
        with client.connect() as connection:
            connection.sendall(message)
            assert connection.recv(1000).split()[1] == b"400"
    assert client.session.get(client.url + "/%FF%ED%A0%80", timeout=10).status_code == 404
    assert "Traceback" not in capfd.readouterr().err
    assert client.event().status_code == 200
    assert client.record.accepted() == 1


def test_sequential_keep_alive_requests_are_quick(serve: Serve, record_property: Callable[[str, object], None]) -> None:
    client = serve(limit_event=None)
    message = client.message(json.dumps(EVENT).encode())
    with client.connect() as connection:
        started = time.perf_counter()
        for _ in range(1501):
            connection.sendall(message)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        rate = 1501 / (time.perf_counter() - started)
    record_property("requests a second", round(rate))
    print(f"{rate:.0f} sequential requests a second")
    assert rate > 200, "far below what any machine does: something waits"
    assert client.record.accepted() == 1501


def test_many_connections_at_once_are_recorded_each_once(serve: Serve) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = serve(limit_event=None)

    def lane(key: int) -> list[int]:
        with requests.Session() as session:
            session.auth = ("", "k")
            url = client.url + "/v2/event"
            body = {"eventTypeKey": "t", "keyValue": str(key)}
            return [
                session.post(url, json=body | {"params": [{"name": "n", "value": n}]}, timeout=10).status_code
                for n in range(17)
            ]

    with ThreadPoolExecutor(16) as pool:
        assert all(codes == [200] * 17 for codes in pool.map(lane, range(16)))
    for events in client.record.order_by_key().values():
        assert [json.loads(each.body)["params"][0]["value"] for each in events] == list(range(17))
    assert client.record.accepted() == 16 * 17
