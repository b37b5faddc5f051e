"""How much memory this process holds, and how much it may."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_GROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_MOST = 4 << 30


def held() -> int:
    """Return the bytes of memory that this process has written, without pages of files; 0 where the system does not tell."""
    with suppress(OSError, ValueError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    return 0


def limit() -> int:
    """Return how many bytes a plan may hold: 4 GiB, or nine tenths of what the machine or the container has, if that is less."""
    return min(_MOST, *(size * 9 // 10 for size in _sizes()))


def _sizes() -> list[int]:
    sizes: list[int] = []
    with suppress(OSError, ValueError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _GROUP:
        with suppress(OSError, ValueError):
            sizes.append(int(path.read_text()))
    return [size for size in sizes if size > 0] or [_MOST]
