"""A server on loopback that does what a test says, and writes down what it got: real sockets, any misbehaviour."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Got:
    """A request as it arrived; `number` counts from 0 over all, `connection` numbers the connections."""

    number: int
    connection: int
    at: float
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_batch(self) -> bool:
        """True for past_events."""
        return "/v2/past_events" in self.line

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that it carries, `occurred` among their keys where the method has it."""
        said = json.loads(self.body)
        return said["events"] if self.is_batch else [said]

    @property
    def numbers(self) -> list[int]:
        """The numbers `n` of its events."""
        return [event["n"] for event in self.events]


def planned(event: dict[str, Any]) -> bytes:
    """The body as it was planned: what the method has added is taken away."""
    return json.dumps(
        {name: value for name, value in event.items() if name != "occurred"}, separators=(",", ":")
    ).encode()


def results(*statuses: str) -> bytes:
    """What past_events answers."""
    good = statuses.count("ACCEPTED")
    listed = [{"status": status} for status in statuses]
    return json.dumps({"results": listed, "successCount": good, "errorCount": len(statuses) - good}).encode()


@dataclass(frozen=True)
class Reply:
    """What the server does with a request. A 2xx without a body accepts, in the words of the method.

    `delay` before anything; then `reset`, `close` or `hang` (nothing is answered), or the answer: whole, in drips of a byte each `drip`
    seconds, or cut after `half` bytes; or the pieces of `raw` as they are, a moment between them. `last` closes the connection `last`
    seconds after the answer without saying so in it.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    reset: bool = False
    close: bool = False
    hang: bool = False
    drip: float = 0.0
    half: int | None = None
    raw: tuple[bytes, ...] = ()
    last: float | None = None
    accepts: bool | None = None  # whether the event counts as taken; by its status when None

    @property
    def taken(self) -> bool:
        return self.accepts if self.accepts is not None else 200 <= self.status < 300


OK = Reply()
Script = Callable[[Got], Reply]


@dataclass
class Server:
    """`got` are all requests, `taken` those that the API would now have, both in order of arrival."""

    script: Script
    url: str = ""
    got: list[Got] = field(default_factory=list)
    taken: list[Got] = field(default_factory=list)
    at_work: int = 0
    most_at_work: int = 0
    connections: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that were taken, in order of arrival."""
        return [event for got in self.taken for event in got.events]

    @property
    def bodies(self) -> Counter[bytes]:
        return Counter(map(planned, self.events))

    def sequence(self, key: str) -> list[int]:
        """The numbers `n` of the events of a key that were taken, in order of arrival."""
        return [event["n"] for event in self.events if event["keyValue"] == key]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self.connections
        self.connections += 1
        try:
            while (got := await self._read(reader, connection)) is not None:
                if not await self._answer(got, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            with contextlib.suppress(Exception):
                writer.close()

    async def _read(self, reader: asyncio.StreamReader, connection: int) -> Got | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        line, *lines = head.strip().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        got = Got(len(self.got), connection, time.monotonic(), line, headers, body)
        self.got.append(got)
        return got

    async def _answer(self, got: Got, writer: asyncio.StreamWriter) -> bool:
        """Do as the script says; return whether the connection goes on."""
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            reply = self.script(got)
            if reply.taken:
                self.taken.append(got)
            if reply.delay:
                await asyncio.sleep(reply.delay)
        finally:
            self.at_work -= 1
        if reply.hang:
            await asyncio.sleep(3600)
        if reply.reset:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if reply.close:
            return False
        body = reply.body
        if not body and got.is_batch and 200 <= reply.status < 300:
            body = results(*["ACCEPTED"] * len(got.events))
        lines = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        whole = "\r\n".join([*lines, "", ""]).encode() + body
        if reply.half is not None:
            writer.write(whole[: reply.half])
            await writer.drain()
            return False
        if reply.raw:
            for piece in reply.raw:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.002)
        elif reply.drip:
            for byte in whole:
                writer.write(bytes([byte]))
                await asyncio.sleep(reply.drip)
        else:
            writer.write(whole)
        await writer.drain()
        if reply.last is not None:
            await asyncio.sleep(reply.last)
            return False
        return True


@contextmanager
def serving(script: Script = lambda _: OK, *, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Server]:
    """Run a server in a thread; `url` is the API's address."""
    server = Server(script)
    loop = asyncio.new_event_loop()
    up, down = threading.Event(), asyncio.Event()

    async def main() -> None:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", port, ssl=tls, backlog=512)
        bound = listener.sockets[0].getsockname()[1]
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{bound}/api"
        up.set()
        await down.wait()
        listener.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def run() -> None:
        loop.run_until_complete(main())
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert up.wait(5)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(5)


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
