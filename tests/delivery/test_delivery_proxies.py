"""Proxies and certificates, as every user of Python knows them from the environment."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from outboxes import SECRET
from proxies import proxying
from servers import free_port, serving

from etl.delivery.answers import Answer, Cause, Failure, Outcome
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange
from etl.delivery.retry import fatal
from etl.delivery.transport import Transport
from etl.errors import JobError, RefusedError

VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Authority:
    """`ca` is the file of its certificate, `server` the context of a server for 127.0.0.1 that it vouches for."""

    ca: str
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    made.cert_pem.write_to_path(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("127.0.0.1").configure_cert(context)
    return Authority(str(file), context)


def exchange() -> Exchange:
    return Exchange([], b"{}", time.monotonic())


@contextmanager
def transport(url: str, **more: object) -> Iterator[Transport]:
    made = Transport(Endpoint(url + "/v2/event", SECRET, **more), 3.0)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


def post(url: str, **more: object) -> tuple[Outcome, Exchange]:
    with transport(url, **more) as it:
        made = exchange()
        return it.post(made), made


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_tunnel_carries_many_requests_and_the_proxy_never_sees_the_key(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with serving(tls=authority.server) as server, proxying() as proxy:
        monkeypatch.setenv(variable, f"http://me:p%40ss@{proxy.at}")
        with transport(server.url, ca=authority.ca) as it:
            assert [it.post(exchange()) for _ in range(3)] == [Answer(200)] * 3
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {server.url.split('/')[2]} HTTP/1.")
    assert f"Proxy-Authorization: Basic {b64encode(b'me:p@ss').decode()}" in head
    assert b64encode(f"clickreplay:{SECRET}".encode()).decode() not in head
    assert len(server.got) == 3
    assert not any("proxy-authorization" in got.headers for got in server.got)


def test_a_proxy_that_speaks_tls_itself(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tls=authority.server) as server, proxying(tls=authority.server) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.at}")
        monkeypatch.setenv("SSL_CERT_FILE", authority.ca)
        assert post(server.url)[0] == Answer(200)
    assert proxy.heads[0].startswith("CONNECT ")


@pytest.mark.parametrize("named", ["127.0.0.1", "*", "127.0.0.0/8", "other.example, 127.0.0.1"])
def test_no_proxy_goes_past_it(authority: Authority, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    with serving(tls=authority.server) as server, proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.at}")
        monkeypatch.setenv("NO_PROXY", named)
        assert post(server.url, ca=authority.ca)[0] == Answer(200)
    assert proxy.heads == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Authentication Required"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno", "502 Bad Gateway"),
        (b"HTTP/1.1 200 OK\r\nVia", "no connection: it was closed at once (the proxy"),
        (b"SSH-2.0-OpenSSH\r\n", "no connection: the answer is not HTTP: SSH-2.0-OpenSSH"),
        (b"", "no connection: it was closed at once (the proxy"),
    ],
)
def test_what_a_proxy_refuses_has_never_left(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    with serving(tls=authority.server) as server, proxying(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden-word@{proxy.at}")
        outcome, made = post(server.url, ca=authority.ca)
    assert isinstance(outcome, Failure)
    assert outcome.cause is Cause.NOT_SENT
    assert made.left_at is None
    assert server.got == []
    assert words in outcome.detail
    assert proxy.at in outcome.detail
    assert "hidden-word" not in outcome.detail


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
    outcome, made = post("https://api.example/api")
    assert outcome == Failure(
        Cause.NOT_SENT, f"no connection: Connection refused (127.0.0.1) (the proxy 127.0.0.1:{port})"
    )
    assert made.left_at is None
    monkeypatch.setenv("HTTPS_PROXY", "http://no-such-proxy.invalid:3128")
    outcome, _ = post("https://api.example/api")
    assert outcome == Failure(
        Cause.UNKNOWN_HOST, "unknown host no-such-proxy.invalid (the proxy no-such-proxy.invalid:3128)"
    )


def test_plain_http_takes_a_proxy_of_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http goes to this machine: another one's proxy would see the key."""
    with serving() as server, proxying() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.at}")
        assert post(server.url)[0] == Answer(200)
        assert proxy.heads[0].startswith(f"POST {server.url}/v2/event HTTP/1.1")
        assert post(server.url, direct=True)[0] == Answer(200)
        monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
        assert post(server.url)[0] == Answer(200)
    assert len(proxy.heads) == 1
    assert len(server.got) == 3


@pytest.mark.parametrize("proxy", ["socks5://me:hidden-word@127.0.0.1:1080", "http://", "http://me:hidden-word@:1x"])
def test_a_proxy_that_cannot_be_used_is_refused_with_words(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(RefusedError, match="the environment names a proxy") as caught:
        Endpoint("https://api.example/api", SECRET)
    assert "NO_PROXY=api.example" in str(caught.value)
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize("variable", BUNDLES)
def test_the_environment_names_whom_to_trust(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with serving(tls=authority.server) as server:
        outcome, made = post(server.url)
        assert isinstance(outcome, Failure)
        assert (outcome.cause, made.left_at) == (Cause.CERTIFICATE, None)
        wrong = fatal(outcome, server.url, ever_through=True)
        assert wrong is not None
        assert "delivery.ca" in wrong.hint
        assert "SSL_CERT_FILE" in wrong.hint
        monkeypatch.setenv(variable, authority.ca)
        assert post(server.url)[0] == Answer(200)


def test_the_job_counts_before_the_environment(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    with serving(tls=authority.server) as server:
        assert post(server.url, ca=authority.ca)[0] == Answer(200)


def test_a_bundle_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    with pytest.raises(
        JobError, match=r"delivery\.ca names .*empty\.pem, which cannot be read: it holds no certificate"
    ):
        Endpoint("https://api.example", SECRET, ca=str(empty))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    with pytest.raises(RefusedError, match=r"SSL_CERT_FILE names .*gone\.pem, which cannot be read: No such file"):
        Endpoint("https://api.example", SECRET)
