"""What counts as an answer, byte by byte, and when its connection may carry another request."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from outboxes import SECRET
from servers import OK, Reply, serving

from etl.delivery.answers import Answer, Cause, Failure, Outcome
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange
from etl.delivery.secrets import Secrets
from etl.delivery.transport import Transport

HI = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def exchange(body: bytes = b"{}") -> Exchange:
    return Exchange([], body, time.monotonic())


def ask(*pieces: bytes, last: float | None = None) -> tuple[Outcome, int]:
    """What comes of a first request that is answered so, and how many connections it and a second one took."""
    with serving(lambda got: OK if got.number else Reply(raw=pieces, last=last)) as server:
        it = Transport(Endpoint(server.url + "/v2/event", SECRET), 5.0)
        try:
            made = exchange()
            deadline = threading.Timer(2.0, made.cut)
            deadline.start()
            outcome = it.post(made)
            deadline.cancel()
            assert it.post(exchange()) == Answer(200)
        finally:
            it.close()
    return outcome, server.connections


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        ((HI,), Answer(200, b"hi")),
        ((HI[:9], HI[9:20], HI[20:-1], HI[-1:]), Answer(200, b"hi")),
        (tuple(bytes([byte]) for byte in HI), Answer(200, b"hi")),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", HI), Answer(200, b"hi")),
        ((b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" + HI,), Answer(200, b"hi")),
        ((CHUNKED + b"2;x=1\r\nhi\r\n", b"3\r\n ho\r\n0\r\n\r\n"), Answer(200, b"hi ho")),
        ((CHUNKED + b"2\r\nhi\r\n0\r\nRetry-After: 9\r\nX: y\r\n\r\n",), Answer(200, b"hi")),
        ((CHUNKED + b"0\r\n\r\n",), Answer(200)),
        ((b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",), Answer(204)),
        ((b"HTTP/1.1 304 Not Modified\r\n\r\n",), Answer(304)),
        ((b"HTTP/1.1 200\r\ncontent-length:2\r\nX-Empty:\r\n\r\nhi",), Answer(200, b"hi")),
        ((b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",), Answer(200, b"hi")),
        (
            (
                b"HTTP/1.1 503 X\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2026 07:28:07 GMT\r\n"
                b"Content-Length: 0\r\n\r\n",
            ),
            Answer(503, retry_after=7.0),
        ),
    ],
)  # fmt: skip
def test_a_whole_answer_is_read_and_its_connection_kept(pieces: tuple[bytes, ...], answer: Answer) -> None:
    assert ask(*pieces) == (answer, 1)


@pytest.mark.parametrize(
    ("pieces", "last", "answer"),
    [
        ((b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",), None, Answer(200, b"hi")),
        ((b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",), None, Answer(200, b"hi")),
        ((b"HTTP/1.1 200 OK\r\n\r\n",), 0.0, Answer(200)),
        ((b"HTTP/1.1 200 OK\r\n\r\n", b"hi"), 0.0, Answer(200, b"hi")),
        ((b"HTTP/1.0 429 X\r\nRetry-After: 3\r\n\r\nslow",), 0.0, Answer(429, b"slow", retry_after=3.0)),
    ],
)
def test_a_whole_answer_may_be_the_last_of_its_connection(
    pieces: tuple[bytes, ...], last: float | None, answer: Answer
) -> None:
    assert ask(*pieces, last=last) == (answer, 2)


@pytest.mark.parametrize("more", [b"garbage", HI.replace(b"200", b"500"), b"HTTP/1.1 200 OK\r\nConte"])
def test_what_follows_an_answer_is_not_taken_for_the_next(more: bytes) -> None:
    assert ask(HI + more) == (Answer(200, b"hi"), 2)
    assert ask(HI.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + more) == (Answer(200, b"hi"), 2)
    assert ask(b"HTTP/1.1 204 X\r\n\r\n" + more) == (Answer(204), 2)
    assert ask(CHUNKED + b"2\r\nhi\r\n0\r\n\r\n" + more) == (Answer(200, b"hi"), 2)


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        HI.replace(b": 2", b": -2"),
        HI.replace(b": 2", b": 2, 2"),
        HI.replace(b": 2", b": 2\r\nContent-Length: 3"),
        CHUNKED + b"-2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
    ],
    ids=lambda said: said[:70],
)
def test_what_is_not_http_is_no_answer_at_once(said: bytes) -> None:
    outcome, connections = ask(said)
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.NO_ANSWER
    assert outcome.detail.startswith("the answer is not HTTP: ")
    assert connections == 2


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
        CHUNKED,
        CHUNKED + b"2\r\nhi\r\n",
        CHUNKED + b"2\r\nhi\r\n0\r\n",
        CHUNKED + b"2\r\nhi\r\n0\r\nX: y\r\n",
        HI.replace(b": 2", b": 2\r\nTransfer-Encoding: chunked"),
        HI.replace(b": 2", b": 99999999999999999999999"),
        CHUNKED + b"fffffffffffffffffff\r\nhi",
        CHUNKED + b"2\r\nhi and more\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
def test_what_breaks_off_is_no_answer(said: bytes) -> None:
    outcome, connections = ask(said, last=0.0)
    broke = "the connection broke before the answer: the server closed it"
    assert (outcome, connections) == (Failure(Cause.NO_ANSWER, broke), 2)


@contextmanager
def greeting(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does not read requests to their end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        thread.join(5)


def test_an_answer_that_comes_before_all_was_sent_counts() -> None:
    with greeting(lambda them: them.sendall(b"HTTP/1.1 413 X\r\nContent-Length: 4\r\n\r\nmuch")) as url:
        it = Transport(Endpoint(url, SECRET), 5.0)
        assert it.post(exchange(b"x" * 20_000_000)) == Answer(413, b"much")
        it.close()


def test_a_cut_ends_a_request_that_nobody_reads() -> None:
    over = threading.Event()
    with greeting(lambda _: over.wait(5) and None) as url:
        it, made = Transport(Endpoint(url, SECRET), 5.0), exchange(b"x" * 20_000_000)
        threading.Timer(0.3, made.cut).start()
        before = time.monotonic()
        assert it.post(made) == Failure(Cause.NO_ANSWER, "no answer in time")
        assert time.monotonic() - before < 1.0
        it.close()
        over.set()


@pytest.mark.parametrize(
    ("url", "line", "host"),
    [
        ("http://api.example/api/v2/event", "POST /api/v2/event HTTP/1.1", "api.example"),
        ("https://api.example:443/a b?c=д", "POST /a%20b?c=%D0%B4 HTTP/1.1", "api.example"),
        ("https://api.example:8443", "POST / HTTP/1.1", "api.example"),
        ("http://[::1]:8080/api", "POST /api HTTP/1.1", "::1"),
        ("https://приклад.укр/api", "POST /api HTTP/1.1", "xn--80aikifvh.xn--j1amh"),
    ],
)
def test_an_address_is_quoted_as_http_wants_it(url: str, line: str, host: str) -> None:
    target = Endpoint(url, SECRET)
    assert (f"POST {target.target} HTTP/1.1", target.host) == (line, host)
    assert (target.tls is not None) == url.startswith("https")
    assert SECRET not in repr(target)


SAID = b'{"results":[{"status":"ACCEPTED"}],"successCount":1,"errorCount":0}' * 3


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def packed(body: bytes) -> bytes:
    """A body as gzip, the same at any time of the day: the names of the tests hold it."""
    return gzip.compress(body, mtime=0)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (packed(SAID), "gzip"),
        (packed(SAID), "X-GZip"),
        (packed(SAID), ""),
        (packed(SAID), "identity"),
        (packed(SAID[:50]) + packed(SAID[50:]), "gzip"),
        (packed(SAID) + b"\0\0\0", "gzip"),
        (packed(packed(SAID)), "gzip"),
        (zlib.compress(SAID), "deflate"),
        (bare(SAID), "deflate"),
        (packed(zlib.compress(SAID)), "deflate, gzip"),
        (SAID, ""),
    ],
)
def test_a_packed_body_is_read_also_where_it_does_not_say_so(body: bytes, encoding: str) -> None:
    headers = (("Content-Encoding", encoding),) if encoding else ()
    with serving(lambda _: Reply(200, body, headers)) as server:
        it = Transport(Endpoint(server.url + "/v2/event", SECRET), 5.0)
        assert [it.post(exchange()) for _ in range(2)] == [Answer(200, SAID)] * 2
        it.close()
    assert server.connections == 1


@pytest.mark.parametrize(
    ("body", "encoding", "why"),
    [
        (packed(SAID)[:-9], "gzip", "ends too early"),
        (packed(SAID)[:-9], "", "ends too early"),
        (packed(SAID)[:3], "", "ends too early"),
        (packed(SAID)[:-8] + b"12345678", "", "broken"),
        (b"\x1f\x8b and so on", "", "broken"),
        (SAID, "gzip", "broken"),
        (zlib.compress(SAID)[:-2], "deflate", "broken"),
        (SAID, "br", "'br'"),
        (SAID, "zstd", "'zstd'"),
    ],
)
def test_a_packing_that_is_broken_or_not_known_leaves_the_body_unread(body: bytes, encoding: str, why: str) -> None:
    headers = (("Content-Encoding", encoding),) if encoding else ()
    with serving(lambda _: Reply(200, body, headers)) as server:
        it = Transport(Endpoint(server.url + "/v2/event", SECRET), 5.0)
        outcome = it.post(exchange())
        it.close()
    assert isinstance(outcome, Answer)
    assert outcome.unreadable is not None
    assert why in outcome.unreadable
    assert (outcome.status, outcome.body) == (200, b"")


def test_a_small_answer_that_unpacks_into_a_huge_one_is_cut() -> None:
    with serving(lambda _: Reply(200, gzip.compress(bytes(50_000_000)))) as server:
        it = Transport(Endpoint(server.url + "/v2/event", SECRET), 5.0)
        outcome = it.post(exchange())
        it.close()
    assert isinstance(outcome, Answer)
    assert len(outcome.body) == 4 * 1024 * 1024


KEY = "q/Z+9~ключ=8kWm"
ECHOES = {
    "as it is": KEY,
    "percent-encoded": quote(KEY, safe=""),
    "percent-encoded, small letters": quote(KEY, safe="").lower().replace("wm", "Wm").replace("z", "Z"),
    "json": json.dumps(KEY),
    "html": KEY.replace("/", "&#47;").replace("+", "&#x2B;"),
    "base64": b64encode(KEY.encode()).decode(),
    "base64, url-safe": urlsafe_b64encode(KEY.encode()).decode(),
    "basic": b64encode(f"clickreplay:{KEY}".encode()).decode(),
    "basic, another user": b64encode(f"me:{KEY}".encode()).decode(),
    "base64 within a text": b64encode(f"Authorization: {KEY}; and more".encode()).decode(),
    "base64, percent-encoded": quote(b64encode(f"clickreplay:{KEY}".encode()).decode(), safe=""),
    "base64, as php escapes it": b64encode(f"me:{KEY}".encode()).decode().replace("/", "\\/"),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_the_key_is_cut_out_of_what_the_server_says_in_whatever_form(echo: str) -> None:
    cores = [KEY[1:-1], *(b64encode(KEY.encode()[shift:]).decode()[4:-8] for shift in range(3))]
    assert any(core in echo for core in cores) or "%" in echo or "\\" in echo or "&#" in echo or "-" in echo
    said = Secrets(KEY).cut(f'{{"error": "you sent {echo} 50% &amp;"}}'.encode()).decode()
    assert said.startswith('{"error": "you sent ')
    assert "***" in said
    assert not any(core in said for core in cores)


@pytest.mark.parametrize("key", ["k", "1", "a1", ""])
def test_a_key_of_one_or_two_letters_spoils_no_answer(key: str) -> None:
    assert Secrets(key).cut(SAID) == SAID


def test_a_short_key_is_cut_where_it_stands_alone() -> None:
    assert Secrets("made").cut(b'key made, "unmade" made-up') == b'key ***, "unmade" ***-up'


def test_no_echo_of_the_key_is_kept_of_an_answer_a_status_line_or_a_redirect() -> None:
    basic = b64encode(f"clickreplay:{SECRET}".encode()).decode()
    replies = [
        Reply(400, f"bad: {basic} {SECRET}".encode(), (("Location", f"https://x.example/?k={SECRET}"),)),
        Reply(raw=(f"BAD {SECRET} {basic}\r\n\r\n".encode(),)),
    ]
    with serving(lambda got: replies[got.number]) as server:
        it = Transport(Endpoint(server.url + "/v2/event", SECRET), 5.0)
        said = [it.post(exchange()) for _ in replies]
        it.close()
    assert isinstance(said[0], Answer)
    assert said[0].location == "https://x.example/?k=***"
    for each in (SECRET, basic, basic[17:-4]):
        assert each not in repr(said)
