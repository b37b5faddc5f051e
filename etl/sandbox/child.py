"""The sandbox as a child process: `python -m etl.sandbox.child`, started by :func:`etl.sandbox.process.start_child`.

It reads one line of JSON from stdin ({"record", "host", "port", "parent", "settings"}: not argv, which everybody can
read), prints one line of JSON ({"url", "record"} or {"error", "hint"}) and serves until its parent is gone: stdin at
its end, or another parent than before.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from etl.errors import ClickreplayError
from etl.sandbox.server import Sandbox
from etl.sandbox.settings import Settings, from_json

_LOOK = 0.5


def main() -> int:
    """Serve as stdin says; 0 after a clean stop, 2 when it could not start."""
    # Ctrl-C and a terminal that hangs up are for the parent, which still has answers to wait for; its end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    line = sys.stdin.readline()
    if not line:
        return 0
    wish = json.loads(line)
    try:
        asyncio.run(
            _serve(Path(wish["record"]), wish["host"], wish["port"], wish["parent"], from_json(wish["settings"]))
        )
    except ClickreplayError as error:
        print(json.dumps({"error": error.message, "hint": error.hint}), flush=True)
        return int(error.exit)
    return 0


async def _serve(record: Path, host: str, port: int, parent: int, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    stdin = sys.stdin.fileno()

    def look() -> None:
        if not os.read(stdin, 4096):
            loop.remove_reader(stdin)
            stop.set()

    loop.add_reader(stdin, look)
    async with Sandbox(record, settings).serve(host, port) as url:
        print(json.dumps({"url": url, "record": str(record)}), flush=True)
        # A fork of the parent may hold our stdin open: its number tells as well.
        while not stop.is_set() and os.getppid() == parent:
            try:
                await asyncio.wait_for(stop.wait(), _LOOK)
            except TimeoutError:
                continue


if __name__ == "__main__":
    sys.exit(main())
