"""A server that costs next to nothing: accepts everything, after a delay, and keeps the time of each request.

`python -m benchmarks.delivering.server DELAY TIMES`: prints its port, serves until its standard input ends, then writes
the times at which requests arrived (seconds, one a line) to the file TIMES.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class _Connection(asyncio.Protocol):
    def __init__(self, delay: float, times: list[float]) -> None:
        self._delay, self._times = delay, times
        self._pieces: list[bytes] = []
        self._size, self._wanted = 0, -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._pieces:
            self._times.append(time.time())
        self._pieces.append(data)
        self._size += len(data)
        if self._wanted < 0:
            whole = b"".join(self._pieces)
            end = whole.find(b"\r\n\r\n")
            if end < 0:
                return
            at = whole.lower().find(b"content-length:", 0, end)
            length = int(whole[at + 15 : whole.find(b"\r\n", at)]) if at >= 0 else 0
            self._wanted = end + 4 + length
        if self._size >= self._wanted:
            whole = b"".join(self._pieces)
            self._pieces, self._size, self._wanted = [], 0, -1
            answer = _results(whole.count(b'"occurred":"')) if b"/past_events " in whole[:200] else _OK
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._answer, answer)
            else:
                self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        self._transport.write(answer)  # type: ignore[attr-defined]


_RESULTS: dict[int, bytes] = {}


def _results(count: int) -> bytes:
    if count not in _RESULTS:
        listed = ",".join(['{"status":"ACCEPTED"}'] * count)
        body = f'{{"results":[{listed}],"successCount":{count},"errorCount":0}}'.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        _RESULTS[count] = head.encode() + body
    return _RESULTS[count]


async def _serve(delay: float, times: list[float]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(delay, times), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    arrived: list[float] = []
    asyncio.run(_serve(float(sys.argv[1]), arrived))
    Path(sys.argv[2]).write_text("\n".join(f"{at:.6f}" for at in arrived))
