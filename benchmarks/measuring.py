"""What processes take: time, CPU and memory, measured side by side.

The process that measures stays small, and makes no data itself: Linux counts its memory, at the moment of the fork, as its child's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click

_ROOT = Path(__file__).parents[1]
_EVERY = 0.1  # seconds between two looks at the memory of a tree of processes: a look takes milliseconds a GiB


@dataclass(frozen=True, slots=True)
class Took:
    """What one process took, its children included."""

    seconds: float
    cpu: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Rival:
    """A name, and the command that does its work in an empty folder given to it."""

    name: str
    command: Callable[[Path], Sequence[str]]


def python(module: str, *words: str | Path) -> list[str]:
    """Return the command of a module, in this Python."""
    return [sys.executable, "-m", module, *map(str, words)]


def run(command: Sequence[str]) -> str:
    """Run a command that is not measured; return what it printed. Raises RuntimeError where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
    if done.returncode:
        raise RuntimeError(_failure(command, done.returncode, done.stdout + done.stderr))
    return done.stdout


def measure(command: Sequence[str], folder: Path) -> Took:
    """Run a command to its end and say what it took; its output goes to files in `folder`.

    Raises RuntimeError with the end of that output where it fails.
    """
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=_ROOT)
        with _watched(process.pid) as peaks:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (folder / "stdout").read_text("utf-8", "replace") + (folder / "stderr").read_text("utf-8", "replace")
        raise RuntimeError(_failure(command, process.returncode, said))
    return Took(seconds, used.ru_utime + used.ru_stime, max(used.ru_maxrss / 1024, *peaks))


def race(
    rivals: Sequence[Rival], runs: int, folder: Path, check: Callable[[dict[str, Path]], None] | None = None
) -> dict[str, list[Took]]:
    """Run the rivals in turn, `runs` times, each in a new folder; `check` is given the folders of the first round."""
    took: dict[str, list[Took]] = {rival.name: [] for rival in rivals}
    for number in range(runs):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            folders = {rival.name: Path(name) / str(place) for place, rival in enumerate(rivals)}
            for rival in rivals:
                own = folders[rival.name]
                own.mkdir()
                took[rival.name].append(measure(rival.command(own), own))
            if number == 0 and check is not None:
                check(folders)
    return took


def say(took: dict[str, list[Took]], rows: int, unit: str = "rows") -> None:
    """Print a line for each rival: medians, the largest peak, and how its time and CPU stand to those of the first, pair by pair."""
    ours = next(iter(took.values()))
    for name, runs in took.items():
        seconds = median(t.seconds for t in runs)
        ratio = median(b.seconds / a.seconds for a, b in zip(ours, runs, strict=True))
        cpu = median(b.cpu / a.cpu for a, b in zip(ours, runs, strict=True))
        against = "" if runs is ours else f"; {ratio:.2f} of {next(iter(took))}'s time, {cpu:.2f} of its CPU"
        click.echo(
            f"  {name:<22} {seconds:>7.2f} s ({min(t.seconds for t in runs):.2f} to {max(t.seconds for t in runs):.2f}) = "
            f"{rows / seconds:>9,.0f} {unit}/s, {median(t.cpu for t in runs):>6.2f} s CPU, "
            f"peak {max(t.peak_mib for t in runs):>6,.0f} MiB{against}"
        )


def aim(text: str, value: float, limit: float, *, at_least: bool = False) -> None:
    """Print whether an aim is met: `value` is at most `limit`, or at least."""
    met = value >= limit if at_least else value <= limit
    click.echo(
        f"  {'met' if met else 'MISSED'}: {text}: {value:.2f}, the aim is at {'least' if at_least else 'most'} {limit:g}"
    )


def times(took: dict[str, list[Took]], slower: str, faster: str) -> float:
    """Return how many times as long the one took as the other: the median over the rounds."""
    return median(a.seconds / b.seconds for a, b in zip(took[slower], took[faster], strict=True))


def _failure(command: Sequence[str], code: int, said: str) -> str:
    words = command[2:] if command[1] == "-m" else command
    return f"{words[0]} ended with {code}: {said[-2000:]}"


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """Collect the memory, in MiB, of a process together with its children, while it has any: shared pages count once."""
    peaks = [0.0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_EVERY):
            tree = _tree(pid)
            if len(tree) > 1:
                peaks[0] = max(peaks[0], sum(map(_proportional, tree)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def _tree(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has just ended
    return found


def _proportional(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
