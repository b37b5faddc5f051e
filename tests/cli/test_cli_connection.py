"""The connection to the API, as a call of the command line has it: certificates, proxies, and the key that stays secret."""

from __future__ import annotations

import ssl
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from called import Shop, pages
from proxies import proxying
from servers import OK, Got, Reply, serving

KEY = "5f2e/9c1b+a7d0"


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's context; the file ca.pem beside the job names who vouches for it."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("127.0.0.1").configure_cert(context)
    return context


def api(got: Got) -> Reply:
    return Reply(200, b'{"organisationName":"Shop"}') if "account/info" in got.line else OK


def shop_of(folder: Path, url: str, more: str = "") -> Shop:
    made = Shop(folder, url, KEY)
    made.job = made.job.replace("rate: 1000/s", f"rate: 1000/s{more}")
    made.environment = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY"), "")
    made.write(pages(20))
    return made


def test_the_job_names_whom_to_trust_beside_its_file(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with serving(api, tls=tls) as server:
        ended = shop_of(tmp_path, server.url, ", ca: ca.pem").call("run")
    assert (ended.exit, ended.json["delivered"]) == (0, 20)


def test_a_certificate_that_is_not_trusted_says_what_to_set(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with serving(api, tls=tls) as server:
        ended = shop_of(tmp_path, server.url).call("run")
    assert ended.exit == 77
    assert "delivery.ca" in ended.json["stopped"]["hint"]
    assert "SSL_CERT_FILE" in ended.json["stopped"]["hint"]
    assert server.got == []


def test_a_file_of_certificates_that_is_not_there_is_a_mistake_of_the_job(tmp_path: Path) -> None:
    ended = shop_of(tmp_path, "https://127.0.0.1:9", ", ca: gone.pem").call("run", as_json=False)
    assert ended.exit == 2
    assert "delivery.ca names" in ended.out
    assert "No such file" in ended.out


def test_a_run_goes_through_the_proxy_of_the_environment(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with serving(api, tls=tls) as server, proxying() as proxy:
        shop = shop_of(tmp_path, server.url, ", ca: ca.pem")
        shop.environment |= {"https_proxy": f"http://me:hidden-word@{proxy.at}"}
        ended = shop.call("run")
    assert (ended.exit, ended.json["delivered"]) == (0, 20)
    assert {head.split(" ")[0] for head in proxy.heads} == {"CONNECT"}
    assert "hidden-word" not in ended.out + ended.err


def test_the_sandbox_needs_no_proxy(shop: Shop) -> None:
    shop.write(pages(5))
    shop.api = "sandbox"
    shop.environment = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    assert shop.call("run").exit == 0


def test_no_echo_of_the_key_is_kept_or_shown(tmp_path: Path) -> None:
    """A server that echoes the request's head in its answers, its organisation and its redirects."""
    basic = b64encode(f"clickreplay:{KEY}".encode()).decode()
    echoes = [KEY, basic, quote(KEY, safe=""), quote(basic, safe=""), b64encode(KEY.encode()).decode()]
    said = " ".join(echoes)

    def script(got: Got) -> Reply:
        if "account/info" in got.line:
            return Reply(200, f'{{"organisationName":"Shop {said}"}}'.encode())
        if got.number % 4 == 3:
            return Reply(500, f"<p>{said}</p>".encode())
        return Reply(400, f"bad request: {said}".encode())

    with serving(script) as server:
        shop = shop_of(tmp_path, server.url, ", max_rejected: 100%, on_unknown: hold")
        ended = shop.call("run")
        shown = shop.call("rejects", as_json=False)
    assert ended.exit == 3
    everything = "".join([ended.out, ended.err, shown.out, shown.err])
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for echo in echoes:
        assert echo not in everything
        assert echo.encode() not in kept
