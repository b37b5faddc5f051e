"""mixpanel-import, an npm package that maps, repairs and dedupes the same rows, without sending: a peer of `plan`."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = "3.1.43"
_FOLDER = Path(tempfile.gettempdir()) / f"clickreplay-mixpanel-import-{VERSION}"
_NAMES = json.dumps({"event_time": "time", "customer_id": "distinct_id"})


def installed() -> Path | str:
    """Return the program, installed below the temp folder at the first call; or words that say why there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "needs node and npm (Debian: apt-get install nodejs npm)"
    program = _FOLDER / "node_modules/mixpanel-import/index.js"
    if not program.exists():
        _FOLDER.mkdir(exist_ok=True)
        (_FOLDER / "package.json").write_text("{}")
        command = [npm, "install", "--no-audit", "--no-fund", f"mixpanel-import@{VERSION}"]
        done = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"npm could not install it: {done.stderr[-300:]}"
    return program


def command(program: Path, source: Path) -> list[str]:
    """Return its command on a CSV. Without `--fix` rows pass as they are, and are no events of its API."""
    flags = [
        "--dryRun",
        "--dedupe",
        "--fix",
        "--abridged",
        "--logs",
        "false",
        "--verbose",
        "false",
        "--token",
        "made-up",
    ]
    return ["node", str(program), str(source), "--format", "csv", "--aliases", _NAMES, *flags]
