"""The command line, killed (SIGKILL) when it is about to change the N-th name on the disk: `python killed_at.py N ARGUMENTS`."""

import os
import signal
import sys

from etl.cli import main

left = int(sys.argv[1])


def _count(event: str, arguments: tuple[object, ...]) -> None:
    global left
    if event in ("os.rename", "os.remove", "os.rmdir") and "passing" not in str(arguments[-1]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(_count)
main(sys.argv[2:])
