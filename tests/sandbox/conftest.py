"""A real server on loopback in a thread of the test, and a client that knows its address."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from etl.sandbox.record import Record
from etl.sandbox.server import Sandbox
from etl.sandbox.settings import Settings

EVENT = {"eventTypeKey": "couponSeen", "keyValue": "c-1", "params": [{"name": "coupon", "value": "X1"}]}


@dataclass
class Client:
    url: str
    path: Path
    session: requests.Session

    @property
    def record(self) -> Record:
        return Record(self.path)

    def event(self, body: Any = EVENT, **options: Any) -> requests.Response:
        return self._post("/v2/event", body, **options)

    def past(self, events: Any, **options: Any) -> requests.Response:
        return self._post("/v2/past_events", {"events": events}, **options)

    def info(self, **options: Any) -> requests.Response:
        return self.session.get(self.url + "/v1/account/info", timeout=10, **options)

    def raw(self, body: bytes = json.dumps(EVENT).encode(), path: str = "/api/v2/event") -> socket.socket:
        """A connection on which one event has just been sent."""
        connection = self.connect()
        connection.sendall(self.message(body, path))
        return connection

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        connection = socket.create_connection((parts.hostname, parts.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    @staticmethod
    def message(body: bytes, path: str = "/api/v2/event") -> bytes:
        key = base64.b64encode(b":a-key").decode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _post(self, path: str, body: Any, **options: Any) -> requests.Response:
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"} | options.pop("headers", {})
        return self.session.post(self.url + path, data=content, headers=headers, **{"timeout": 10} | options)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Start a server with these settings; all stop at the end of the test."""
    stops: list[Callable[[], None]] = []

    def start(**settings: Any) -> Client:
        path = tmp_path / f"record-{len(stops)}.sqlite"
        ready = threading.Event()
        place: dict[str, Any] = {}

        async def main() -> None:
            stop = asyncio.Event()
            place["stop"], place["loop"] = stop, asyncio.get_running_loop()
            async with Sandbox(path, Settings(**settings)).serve() as url:
                place["url"] = url
                ready.set()
                await stop.wait()

        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        assert ready.wait(10), "the server did not start"
        session = requests.Session()
        session.auth = ("anyone", "a-key")

        def end() -> None:
            session.close()
            place["loop"].call_soon_threadsafe(place["stop"].set)
            thread.join(10)
            assert not thread.is_alive(), "the server did not stop"

        stops.append(end)
        return Client(place["url"], path, session)

    yield start
    for stop in stops:
        stop()
