"""Starting the sandbox as a child process that never outlives its parent, however that ends."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

import etl
from etl.errors import ClickreplayError, JobError
from etl.sandbox.settings import Settings, to_json

_START = 30.0
_STOP = 10.0
_NEEDED = frozenset({"PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})


class Child:
    """A running sandbox, a context manager: `url` is the API's address for a job, `record` the file of its record."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, record: Path) -> None:
        self._process = process
        self.url = url
        self.record = record

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def running(self) -> bool:
        """Say whether it still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Stop it and wait for its end; all it accepted is in the record. Does nothing the second time."""
        _stop(self._process)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start_child(record: Path, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0) -> Child:
    """Start a sandbox with its record at `record` and return when it takes requests; port 0 is any free one.

    It has a session of its own, so Ctrl-C reaches only the parent, and ends by itself when the parent dies, SIGKILL
    included. Raises JobError when the port or the record cannot be had, ClickreplayError (exit 1) when it did not start
    for another reason.
    """
    wish = {
        "record": str(record.absolute()),
        "host": host,
        "port": port,
        "parent": os.getpid(),
        "settings": to_json(settings or Settings()),
    }
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "etl.sandbox.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            env=_environment(),
        )
        try:
            first = _first_line(process, json.dumps(wish).encode() + b"\n")
            url = _url(first, errors)
        except BaseException:
            _stop(process)
            raise
    return Child(process, url, record)


def _environment() -> dict[str, str]:
    """Return what a Python needs of ours, and the place where this very package lies: the child may work anywhere.

    No key, token or proxy goes along: what a child has in its environment, others may see.
    """
    home = str(Path(etl.__file__).resolve().parents[1])
    before = os.environ.get("PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name in _NEEDED or name.startswith(("LC_", "PYTHON"))}
    return kept | {"PYTHONPATH": f"{home}{os.pathsep}{before}" if before else home}


def _first_line(process: subprocess.Popen[bytes], wish: bytes) -> bytes:
    """Hand over the wish and return the child's one line; what there is of it when it ends or takes too long."""
    if process.stdin is None or process.stdout is None:
        return b""
    line = b""
    deadline = time.monotonic() + _START
    try:
        process.stdin.write(wish)
        process.stdin.flush()
    except BrokenPipeError:
        return line
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not part:
            break
        line += part
    return line


def _url(line: bytes, errors: IO[bytes]) -> str:
    said: dict[str, str] = json.loads(line) if line.endswith(b"\n") else {}
    if "url" in said:
        return said["url"]
    if "error" in said:
        raise JobError(said["error"], hint=said.get("hint"))
    errors.seek(0)
    last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
    raise ClickreplayError(f"the sandbox did not start: {last[0] if last else 'it said nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
