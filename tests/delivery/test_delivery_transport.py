"""From an exchange to its outcome, over real sockets."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from outboxes import SECRET
from servers import OK, Got, Reply, free_port, serving

from etl.delivery.answers import Answer, Cause, Failure, Outcome
from etl.delivery.connection import _REST
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange
from etl.delivery.transport import Transport


@contextmanager
def transport(url: str, timeout: float = 5.0, ca: str | None = None) -> Iterator[Transport]:
    made = Transport(Endpoint(url + "/v2/event", SECRET, ca=ca), timeout)
    try:
        yield made
    finally:
        made.close()


def exchange(body: bytes = b"{}") -> Exchange:
    return Exchange([], body, time.monotonic())


def post(url: str, timeout: float = 5.0) -> tuple[Outcome, Exchange]:
    with transport(url, timeout) as it:
        made = exchange()
        return it.post(made), made


def test_a_request_is_what_the_api_wants() -> None:
    with serving() as server, transport(server.url) as it:
        assert it.post(exchange('{"ключ":1}'.encode())) == Answer(200)
    (got,) = server.got
    assert got.line == "POST /api/v2/event HTTP/1.1"
    assert got.body == '{"ключ":1}'.encode()
    assert got.headers["content-type"] == "application/json"
    assert got.headers["authorization"] == "Basic " + b64encode(f"clickreplay:{SECRET}".encode()).decode()
    assert got.headers["user-agent"].startswith("clickreplay/")
    assert got.headers["accept-encoding"] == "identity"


def test_an_answer_carries_what_is_asked_of_it() -> None:
    headers = (("Retry-After", "9"), ("Content-Type", "text/plain"), ("Location", "/x"))
    with serving(lambda _: Reply(429, b"slow down", headers)) as server:
        assert post(server.url)[0] == Answer(429, b"slow down", "text/plain", 9.0, "/x")


def test_one_connection_serves_many_requests() -> None:
    with serving(lambda _: Reply(200, b"x" * 70_000)) as server, transport(server.url) as it:
        for _ in range(5):
            it.post(exchange())
    assert server.connections == 1


def test_no_listener_means_not_sent() -> None:
    outcome, made = post(f"http://127.0.0.1:{free_port()}/api")
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.NOT_SENT
    assert outcome.detail == "no connection: Connection refused (127.0.0.1)"
    assert made.left_at is None


def test_an_unknown_host_is_named() -> None:
    outcome, _ = post("http://no-such-host.invalid/api")
    assert outcome == Failure(Cause.UNKNOWN_HOST, "unknown host no-such-host.invalid")


WHOLE = len(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(reset=True),
        Reply(close=True),
        *(Reply(200, b"x" * 100, half=n) for n in (1, 12, 16, 17, 25, WHOLE - 2, WHOLE, WHOLE + 99)),
    ],
)
def test_whatever_breaks_after_it_left_has_no_answer(reply: Reply) -> None:
    with serving(lambda _: reply) as server:
        outcome, made = post(server.url)
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.NO_ANSWER
    assert made.left_at is not None


@pytest.mark.parametrize(
    "reply", [Reply(hang=True), Reply(200, b"x" * 1000, drip=0.02), Reply(200, b"x" * 1000, drip=0.004)]
)
def test_a_cut_ends_the_wait_even_for_an_answer_that_comes_in_drips(reply: Reply) -> None:
    """Measured: a read time-out alone would start anew with every byte."""
    with serving(lambda got: OK if got.number else reply) as server, transport(server.url) as it:
        made = exchange()
        threading.Timer(0.3, made.cut).start()
        before = time.monotonic()
        outcome = it.post(made)
        assert time.monotonic() - before < 1.0
        assert outcome == Failure(Cause.NO_ANSWER, "no answer in time")
        assert it.post(exchange()) == Answer(200)


def test_what_was_cut_before_it_left_never_leaves() -> None:
    with serving() as server, transport(server.url) as it:
        made = exchange()
        assert made.cut() is False
        assert it.post(made) == Failure(Cause.NOT_SENT, "no connection in time")
        assert it.post(exchange()) == Answer(200)
    assert len(server.got) == 1


def test_a_cut_ends_a_handshake_that_never_ends() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        transport(f"https://127.0.0.1:{mute.getsockname()[1]}/api") as it,
    ):
        made = exchange()
        threading.Timer(0.3, made.cut).start()
        before = time.monotonic()
        outcome = it.post(made)
    assert time.monotonic() - before < 1.5
    assert outcome == Failure(Cause.NOT_SENT, "no connection in time")


def test_a_connect_that_takes_too_long_is_not_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        outcome, made = post(f"http://127.0.0.1:{port}/api", timeout=0.5)
        for filler in fillers:
            filler.close()
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.NOT_SENT
    assert made.left_at is None


def test_a_connection_that_the_server_closed_while_idle_is_not_used_again() -> None:
    with serving(lambda _: Reply(last=0.05)) as server, transport(server.url) as it:
        for _ in range(4):
            assert it.post(exchange()) == Answer(200)
            time.sleep(0.15)
    assert server.connections == 4


def test_a_connection_that_rested_too_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _REST == 4.0
    monkeypatch.setattr("etl.delivery.connection._REST", 0.2)
    with serving() as server, transport(server.url) as it:
        it.post(exchange())
        it.post(exchange())
        assert server.connections == 1
        time.sleep(0.3)
        it.post(exchange())
    assert server.connections == 2


def test_an_answer_without_end_is_not_read_whole() -> None:
    """And its rest is not taken for the next answer."""
    huge = Reply(200, b"y" * (6 * 1024 * 1024))
    with serving(lambda got: huge if got.number == 0 else OK) as server, transport(server.url) as it:
        first = it.post(exchange())
        assert isinstance(first, Answer)
        assert len(first.body) == 4 * 1024 * 1024
        assert it.post(exchange()) == Answer(200)
    assert server.connections == 2


def test_redirects_are_not_followed() -> None:
    with serving() as other, serving(lambda _: Reply(307, headers=(("Location", other.url),))) as server:
        outcome, _ = post(server.url)
    assert isinstance(outcome, Answer)
    assert (outcome.status, other.got) == (307, [])


def test_no_netrc_replaces_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving() as server:
        post(server.url)
    assert server.got[0].headers["authorization"].endswith(b64encode(f"clickreplay:{SECRET}".encode()).decode())


def test_the_key_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(lambda got: Reply(reset=True) if got.number else OK) as server, transport(server.url) as it:
        it.post(exchange())
        outcome = it.post(exchange())
        said = caplog.text + repr(it) + repr(outcome) + repr(exchange())
    assert SECRET not in said
    assert b64encode(f"clickreplay:{SECRET}".encode()).decode() not in said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate of our own for 127.0.0.1, and the certificate's file."""
    folder = tmp_path_factory.mktemp("tls")
    key, file = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    try:
        subprocess.run(
            [*command, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", file],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context, str(file)


def test_a_certificate_that_nobody_vouches_for_is_wrong(certificate: tuple[ssl.SSLContext, str]) -> None:
    with serving(tls=certificate[0]) as server:
        outcome, _ = post(server.url)
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.CERTIFICATE
    assert "self-signed" in outcome.detail.replace("self signed", "self-signed")
    assert server.got == []


def test_a_certificate_of_another_host_is_wrong(certificate: tuple[ssl.SSLContext, str]) -> None:
    with (
        serving(tls=certificate[0]) as server,
        transport(server.url.replace("127.0.0.1", "localhost"), ca=certificate[1]) as it,
    ):
        outcome = it.post(exchange())
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.CERTIFICATE


def test_a_trusted_server_is_posted_to_and_its_hang_can_be_cut(certificate: tuple[ssl.SSLContext, str]) -> None:
    def script(got: Got) -> Reply:
        return Reply(hang=True) if got.number == 2 else OK

    with serving(script, tls=certificate[0]) as server, transport(server.url, ca=certificate[1]) as it:
        assert it.post(exchange(b"1")) == Answer(200)
        assert it.post(exchange(b"2")) == Answer(200)
        made = exchange(b"3")
        threading.Timer(0.2, made.cut).start()
        assert it.post(made) == Failure(Cause.NO_ANSWER, "no answer in time")
        assert it.post(exchange(b"4")) == Answer(200)
    assert [got.body for got in server.got] == [b"1", b"2", b"3", b"4"]
    assert server.connections == 2


def test_large_answers_and_closed_connections_within_tls(certificate: tuple[ssl.SSLContext, str]) -> None:
    def script(got: Got) -> Reply:
        return [Reply(200, b"x" * 300_000), Reply(200, headers=(("Connection", "close"),)), Reply(last=0.02)][
            got.number % 3
        ]

    with serving(script, tls=certificate[0]) as server, transport(server.url, ca=certificate[1]) as it:
        for _ in range(2):
            assert it.post(exchange(b"y" * 300_000)) == Answer(200, b"x" * 300_000)
            assert it.post(exchange()) == Answer(200)
            assert it.post(exchange()) == Answer(200)
            time.sleep(0.1)
    assert server.connections == 4


def test_a_tls_answer_that_breaks_off_is_no_answer(certificate: tuple[ssl.SSLContext, str]) -> None:
    with (
        serving(lambda got: Reply(200, b"x" * 100, half=60), tls=certificate[0]) as server,
        transport(server.url, ca=certificate[1]) as it,
    ):
        outcome = it.post(exchange())
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.NO_ANSWER


def test_a_server_that_speaks_no_tls_is_not_sent_anything() -> None:
    with serving() as server:
        outcome, made = post(server.url.replace("http:", "https:"), timeout=0.4)
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.NOT_SENT
    assert made.left_at is None
    assert server.got == []
