"""A server that refuses some events, or takes them and says nothing: real HTTP on loopback, told what to do as the test goes on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread


class Picky(ThreadingHTTPServer):
    """Refuses events whose body holds one of `refused` (400), breaks off without an answer on one of `silent` (the event is taken)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refused: set[str] = set()
        self.silent: set[str] = set()
        self.taken: list[str] = []
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"

    def bodies(self) -> Counter[str]:
        """What was taken, as the sandbox's record shows it."""
        return Counter(self.taken)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Picky

    def do_GET(self) -> None:
        self._answer(403, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        server = self.server
        if any(word in body for word in server.refused):
            self._answer(400, {"message": "this type is not enabled; ask visitor@example.com"})
            return
        with server.lock:
            server.taken.append(json.dumps(json.loads(body), sort_keys=True))
        if any(word in body for word in server.silent):
            self.close_connection = True
            self.connection.close()
            return
        self._answer(200, {})

    def _answer(self, status: int, said: object) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def picky() -> Iterator[Picky]:
    """Serve until the end of the block."""
    with Picky() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
