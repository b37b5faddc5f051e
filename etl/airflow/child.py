"""The process that a task starts: its lines go to the task's log while it works, and it is asked to drain, not killed."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

_MOST_ASKED = 2
_LOOK = 0.5  # seconds between two looks at the process and its lines
_LAST = 5.0  # seconds for a process that was asked twice


class Child:
    """A process that writes to files, not to pipes: it must be able to end its drain when the task that started it is gone.

    Airflow kills a task's process group 5 seconds after it has asked for its end; the process has a session of its own, so one signal
    (`drain`) reaches it and no second one, which would leave the outcome of what is in flight unknown (RULES §6).
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], say: Callable[[str], None], grace: float
    ) -> None:
        """Take what to start and who hears its lines; `grace`: seconds that a drain may take."""
        self._command, self._environment = list(command), dict(environment)
        self._out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (it goes with this object)
        self._err: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._say, self._grace, self._read = say, grace, 0
        self._deadline: float | None = None

    def drain(self) -> None:
        """Ask the process to end once what is in flight has its answer; a second call asks no more.

        It is called by a signal's handler, at any moment: it leaves a note, and `run` acts on it.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + self._grace

    def run(self) -> tuple[int, str]:
        """Start the process; return the exit code and stdout once it has ended. Raise OSError where it cannot be started.

        Whatever is raised meanwhile (a task's time-out, Ctrl-C) is raised after a drain. One that outlives its grace is asked a second
        time, then killed.
        """
        process = subprocess.Popen(  # noqa: S603 (a list, no shell)
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            start_new_session=True,
        )
        try:
            code = self._end_of(process)
        except BaseException:
            self.drain()
            self._end_of(process)
            raise
        return code, _from(self._out, 0).decode("utf-8", "replace")

    def _end_of(self, process: subprocess.Popen[bytes]) -> int:
        asked, until = 0, 0.0
        while (code := process.poll()) is None:
            self._relay()
            if self._deadline is not None and time.monotonic() >= until:
                process.kill() if asked == _MOST_ASKED else process.terminate()
                asked, until = asked + 1, self._deadline if asked == 0 else time.monotonic() + _LAST
            time.sleep(_LOOK)
        self._relay(whole=True)
        return code

    def _relay(self, *, whole: bool = False) -> None:
        """Say the lines that are new; the last one only when it is complete, or when no more can come."""
        new = _from(self._err, self._read)
        end = len(new) if whole else new.rfind(b"\n") + 1
        self._read += end
        for line in new[:end].decode("utf-8", "replace").splitlines():
            if line.strip():
                self._say(line.rstrip())


def _from(file: IO[bytes], start: int) -> bytes:
    """Read a file that a process writes to. Not by seeking: the place in it is the process's too."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size - start, start)
