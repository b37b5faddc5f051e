"""The outputs that the documents show, found and made anew.

A block is shown like this; the command runs in a folder with copies of `jobs/` and `data/sample/`, one folder a document, in the order
of the document:

    <!-- output: clickreplay check jobs/shop.yaml -->
    ```console
    $ clickreplay check jobs/shop.yaml
    jobs/shop.yaml: no mistakes (20 columns)
    ```

`<!-- output (exit 2) (last 4): … -->` expects another exit code than 0, and shows the last four lines only, below a `…`. The
comment may hold more than the block shows (a step before it). What a command writes on stderr is shown where it writes nothing on
stdout. `<!-- query: FILE -->` stands before a block of SQL that is asked of an SQLite file, and before a block with its rows.

`python tests/docs/shown_blocks.py` writes the present outputs into the documents.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent

from expression_tables import refresh_mistakes

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_OUTPUT = re.compile(
    r"^(?P<pad> *)<!-- output(?: \(exit (?P<exit>\d+)\))?(?: \(last (?P<last>\d+)\))?: (?P<command>.+?) -->\n"
    r" *```console\n *\$ (?P<told>.+)\n(?P<shown>(?:(?! *```).*\n)*) *```$",
    re.MULTILINE,
)
_QUERY = re.compile(
    r"^(?P<pad> *)<!-- query: (?P<command>.+?) -->\n *```sql\n(?P<told>(?:(?! *```).*\n)*) *```\n\n? *```text\n"
    r"(?P<shown>(?:(?! *```).*\n)*) *```$",
    re.MULTILINE,
)

#: Where the project lies in what the documents show.
_HERE = "/home/ann/clickreplay"

#: What differs from one run to the next.
_VARIES = (
    (re.compile(r"\b(\d{6})-[0-9a-f]{6}\b"), r"\1-xxxxxx"),
    (re.compile(r"in [\d.,]+ s, [\d.,]+/s"), "in … s, …/s"),
    (re.compile(r'"seconds": [\d.]+'), '"seconds": …'),
    (re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b"), "now"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One output that a document shows: how it is made, what is expected, and where it stands in the text."""

    document: Path
    kind: str
    command: str  # a shell's command line; for a query the file
    told: str  # the command as the block shows it; for a query the SQL
    exit: int
    last: int | None  # how many lines are shown, None for all
    output: str
    pad: str
    span: tuple[int, int]

    @property
    def name(self) -> str:
        """Where it stands and what it is, in short."""
        line = self.document.read_text("utf-8").count("\n", 0, self.span[0]) + 1
        return f"{self.document.name}:{line}: {self.told.strip()}"


def shown_in(document: Path) -> list[Shown]:
    """Return the outputs that a document shows, in its order."""
    text = document.read_text("utf-8")
    found = [
        Shown(
            document,
            kind,
            match["command"],
            match["told"],
            int(match.groupdict().get("exit") or 0),
            int(last) if (last := match.groupdict().get("last")) else None,
            _without(match["pad"], match["shown"]),
            match["pad"],
            match.span("shown"),
        )
        for kind, pattern in (("output", _OUTPUT), ("query", _QUERY))
        for match in pattern.finditer(text)
    ]
    return sorted(found, key=lambda one: one.span)


def played(document: Path, folder: Path) -> Iterator[tuple[Shown, int, str]]:
    """Make every output of a document anew in an empty folder; yield it with the exit code and the text."""
    shutil.copytree(ROOT / "jobs", folder / "jobs", ignore=shutil.ignore_patterns(".clickreplay"))
    shutil.copytree(ROOT / "data" / "sample", folder / "data" / "sample")
    environment = _environment(folder)
    for one in shown_in(document):
        if one.kind == "query":
            (file,) = folder.glob(one.command)
            yield one, 0, _asked(file, one.told)
            continue
        done = subprocess.run(
            one.command,
            shell=True,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        output = (done.stdout or done.stderr).replace(str(folder.resolve()), _HERE)
        yield one, done.returncode, output if one.last is None else _end(output, one.last)


def _end(output: str, lines: int) -> str:
    return "\n".join(["…", *output.splitlines()[-lines:], ""])


def masked(text: str) -> str:
    """Return a text without what differs from one run to the next; the order of keys in JSON says nothing."""
    if text.startswith("{"):
        text = json.dumps(json.loads(text), sort_keys=True)
    for pattern, instead in _VARIES:
        text = pattern.sub(instead, text)
    return text.rstrip()


def _environment(folder: Path) -> dict[str, str]:
    programs = folder / ".bin"
    programs.mkdir()
    command = programs / "clickreplay"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m etl "$@"\n', "utf-8")
    command.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ESPUTNIK_", "CLICKREPLAY_"))}
    path = os.pathsep.join([str(programs), kept.get("PATH", "")])
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": "1"}


def _asked(file: Path, sql: str) -> str:
    """Return the rows as `sqlite3 -header -separator ' | '` prints them."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        cursor = database.execute(sql)
        rows = [tuple(column[0] for column in cursor.description), *cursor.fetchall()]
    return "".join(" | ".join("" if v is None else str(v) for v in row) + "\n" for row in rows)


def _without(pad: str, text: str) -> str:
    return re.sub(rf"^{pad}", "", text, flags=re.MULTILINE)


def refresh() -> None:
    """Write the present outputs into the documents."""
    for document in DOCUMENTS:
        with TemporaryDirectory() as name:
            made = list(played(document, Path(name)))
        text = document.read_text("utf-8")
        for one, code, output in reversed(made):
            start, end = one.span
            text = text[:start] + indent(output, one.pad) + text[end:]
            if code != one.exit:
                print(f"{one.name}: exit {code}, the document says {one.exit}")
        document.write_text(text, "utf-8")
    refresh_mistakes()


if __name__ == "__main__":
    refresh()
