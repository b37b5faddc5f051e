"""Servers that files are read from, on loopback: an S3 (moto), a Google Cloud Storage (gcp-storage-emulator), a web server with faults."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests

#: What the environment of a test of S3 has; nobody asks the machine's own role.
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTKEY",
    "AWS_SECRET_ACCESS_KEY": "the-secret-of-s3",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


#: What moto wants of an owner: it looks at who signs, not at the signature.
OWNER = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIATESTKEY/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(arguments: list[str], url: str, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    env = {**os.environ, **(environment or {})}
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(url, timeout=5)
                    break
                assert process.poll() is None, f"{arguments} ended"
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


@dataclass(frozen=True)
class Bucket:
    """A bucket of a store: objects go in by the store's own way."""

    url: str
    put_url: Callable[[str], str]
    scheme: str
    name: str = "lake"

    def put(self, key: str, data: bytes, **headers: str) -> None:
        send = requests.put if self.scheme == "s3" else requests.post
        headers |= OWNER if self.scheme == "s3" else {}
        # The emulator writes a missing type as null, which the real store never does and Google's library does not survive.
        about = {"Content-Type": "application/octet-stream", **headers}
        send(self.put_url(key), data=data, headers=about, timeout=30).raise_for_status()

    def address(self, key: str = "") -> str:
        return f"{self.scheme}://{self.name}/{key}"


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """moto's S3 in a process of its own; gives its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], url, AWS):
        yield url


def s3_bucket(url: str, name: str = "lake") -> Bucket:
    requests.post(f"{url}/moto-api/reset", timeout=30).raise_for_status()
    requests.put(f"{url}/{name}", timeout=30).raise_for_status()
    return Bucket(url, lambda key: f"{url}/{name}/{quote(key)}", "s3", name)


@contextlib.contextmanager
def gcs_server() -> Iterator[Bucket]:
    """A Google Cloud Storage in a process of its own, with a bucket."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    start = "from gcp_storage_emulator.__main__ import main; main()"
    command = [sys.executable, "-c", start, "start", "--host", "127.0.0.1", "--port", str(port), "--in-memory"]
    with _process(command, url):
        requests.post(f"{url}/storage/v1/b?project=p", json={"name": "lake"}, timeout=30).raise_for_status()
        put = f"{url}/upload/storage/v1/b/lake/o?uploadType=media&name="
        yield Bucket(url, lambda key: put + quote(key, safe=""), "gs")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers who hang up are what these servers are for; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@dataclass
class Asked:
    """One request as the server saw it, the names of its headers in small letters."""

    path: str
    headers: dict[str, str]


@dataclass
class Web:
    """A web server over `files`, with the faults that a test asks for.

    `cut` takes a request's path and the first byte of its range, and gives the number of bytes of the body after which the connection
    is cut; None where it is not. `status` gives another status. `before` is called before a file is looked up.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    etags: bool = True
    weak: bool = False
    dated: bool = True
    sized: bool = True
    conditions: bool = True
    encoding: str | None = None
    cut: Callable[[str, int], int | None] = lambda path, start: None
    status: Callable[[str], int | None] = lambda path: None
    before: Callable[[str, int], None] = lambda path, start: None
    redirects: dict[str, str] = field(default_factory=dict)
    login: str | None = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def sent(self) -> int:
        """Bytes that were asked for by ranges."""
        found = (re.fullmatch(r"bytes=(\d+)-(\d+)", a.headers.get("range", "")) for a in self.asked)
        return sum(int(span[2]) - int(span[1]) + 1 for span in found if span)


@contextlib.contextmanager
def web_server(web: Web, tls: tuple[Path, Path] | None = None) -> Iterator[Web]:
    """Serve; over TLS with a chain and key where given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            web.asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}))
            path = urlsplit(self.path).path
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            start = int(span[1]) if span else 0
            web.before(path, start)
            if code := web.status(path):
                return self._end(code)
            if web.login is not None and self.headers.get("Authorization") != web.login:
                return self._end(401)
            if path in web.redirects:
                return self._end(302, {"Location": web.redirects[path]})
            data = web.files.get(path)
            if data is None:
                return self._end(404)
            about = self._about(data)
            condition = self.headers.get("If-Match")
            if web.conditions and condition and condition != about.get("ETag"):
                return self._end(412)
            if not web.ranges or span is None:
                return self._body(200, about, data, path, 0)
            if start >= len(data):
                return self._end(416, {**about, "Content-Range": f"bytes */{len(data)}"})
            end = min(int(span[2]), len(data) - 1)
            about["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            return self._body(206, about, data[start : end + 1], path, start)

        def _about(self, data: bytes) -> dict[str, str]:
            about = {"Accept-Ranges": "bytes"} if web.ranges else {}
            mark = f"{len(data)}-{hash(data)}"
            if web.etags:
                about["ETag"] = f'W/"{len(data)}"' if web.weak else f'"{mark}"'
            if web.dated:
                about["Last-Modified"] = time.strftime(
                    "%a, %d %b %Y %H:%M:%S GMT", time.gmtime(abs(hash(data)) % 10**9)
                )
            if web.encoding:
                about["Content-Encoding"] = web.encoding
            return about

        def _body(self, code: int, about: dict[str, str], data: bytes, path: str, start: int) -> None:
            self.send_response(code)
            for name, value in about.items():
                self.send_header(name, value)
            if web.sized:
                self.send_header("Content-Length", str(len(data)))
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            cut = web.cut(path, start)
            with contextlib.suppress(OSError):
                self.wfile.write(data if cut is None else data[:cut])
            if cut is not None and cut < len(data):
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

        def _end(self, code: int, more: Mapping[str, str] | None = None) -> None:
            self.send_response(code)
            for name, value in (more or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, tls))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    web.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def between(url: str, web: Web) -> Iterator[Web]:
    """A server that hands every request on to `url`, and has the faults of `web`: what goes wrong on the way to a store."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _hand_on(self) -> None:
            web.asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}))
            path = urlsplit(self.path).path
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            start = int(span[1]) if span else 0
            if self.command == "GET":
                web.before(path, start)
            if code := web.status(path):
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            answer = requests.request(
                self.command, url + self.path, headers={**self.headers, "Accept-Encoding": "identity"}, timeout=30
            )
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "server", "date"):
                    self.send_header(name, value)
            length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(answer.content))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command == "HEAD":
                return
            cut = web.cut(path, start) if span else None
            self.wfile.write(answer.content if cut is None else answer.content[:cut])
            if cut is not None and cut < len(answer.content):
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_HEAD = _hand_on  # noqa: N815 - the library's names

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
