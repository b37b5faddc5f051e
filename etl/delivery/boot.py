"""Which start of the machine this is: by it a claim of before a power cut is told from one of before a kill."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

_LINUX = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str | None:
    """Return the operating system's name for this start of the machine; None where it gives none."""
    try:
        return _LINUX.read_text("ascii").strip()
    except OSError:
        pass
    try:
        told = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip() or None
