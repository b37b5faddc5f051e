"""What is left of the asked rate when the server refuses: `python -m benchmarks.refusals`.

A real server on loopback refuses one request in a hundred (429 or 503, with and without a Retry-After), or all above a
limit by the second. Prints what got through, the share of refusals, and the worst second by the server's own record.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.delivering.outbox import make_outbox

_ROOT = Path(__file__).parents[1]


@dataclass
class _Refusing:
    """Refuses so many in a hundred by chance, or all beyond `limit` in a second; keeps when requests came."""

    status: int
    percent: float = 0.0
    limit: int | None = None
    retry_after: str | None = None
    came: list[float] = field(default_factory=list)
    refused: int = 0
    seconds: Counter[int] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def answer(self) -> bytes:
        """Return what one more request gets."""
        now = time.time()
        self.came.append(now)
        self.seconds[int(now)] += 1
        over = self.limit is not None and self.seconds[int(now)] > self.limit
        if not over and self.chance.random() * 100 >= self.percent:
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.refused += 1
        pause = f"Retry-After: {self.retry_after}\r\n" if self.retry_after else ""
        return f"HTTP/1.1 {self.status} X\r\n{pause}Content-Length: 0\r\n\r\n".encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                at = head.index(b"content-length:") + 15
                await reader.readexactly(int(head[at : head.index(b"\r", at)]))
                writer.write(self.answer())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@contextmanager
def _serving(server: _Refusing) -> Iterator[str]:
    loop, up, port = asyncio.new_event_loop(), threading.Event(), list[int]()

    async def start() -> None:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=512)
        port.append(listener.sockets[0].getsockname()[1])
        up.set()

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    up.wait()
    yield f"http://127.0.0.1:{port[0]}/api"
    loop.call_soon_threadsafe(loop.stop)


@click.command()
@click.option("--seconds", type=int, default=30, show_default=True, help="Of events at the asked rate.")
def main(seconds: int) -> None:
    """Measure, and print a line for each kind of refusal."""
    for status in (429, 503):
        for pause in (None, "1"):
            _measure(f"1% of {status}", 350, seconds * 350, _Refusing(status, percent=1, retry_after=pause))
    for pause in (None, "1"):
        _measure("150/s allowed", 300, seconds * 150, _Refusing(429, limit=150, retry_after=pause))


def _measure(what: str, asked: int, events: int, server: _Refusing) -> None:
    with TemporaryDirectory() as name, _serving(server) as url:
        outbox = Path(name) / "outbox.parquet"
        make_outbox(outbox, events)
        given = {"outbox": str(outbox), "folder": name, "api": url, "rate": asked}
        command = [sys.executable, "-m", "benchmarks.delivering.client", json.dumps(given)]
        subprocess.run(command, capture_output=True, check=True, cwd=_ROOT)
    came = sorted(server.came)
    span = came[-1] - came[0]
    through = (len(came) - server.refused) / span
    best = asked if server.limit is None else server.limit
    worst = max(bisect_left(came, start + 1.0) - at for at, start in enumerate(came))
    pause = f", Retry-After: {server.retry_after}" if server.retry_after else ""
    click.echo(
        f"{what}{pause}, {asked}/s asked: {through:.1f}/s got through ({through / best:.0%} of {best}), "
        f"{server.refused / len(came):.1%} refused, worst second {worst}"
    )


if __name__ == "__main__":
    main()
