"""Matomo's import_logs.py in a dry run: it asks a Matomo for the address of its site, and then reads the log without sending anything.

The script is GPL and no part of this project: https://github.com/matomo-org/matomo-log-analytics, one file.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

_SITE = json.dumps({"idsite": "1", "main_url": "https://shop.example"}).encode()


class _Matomo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(_SITE)))
        self.end_headers()
        self.wfile.write(_SITE)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering() -> Iterator[str]:
    """Give the address of a server on loopback that answers the one question."""
    with HTTPServer(("127.0.0.1", 0), _Matomo) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def command(script: Path, url: str, log: Path) -> list[str]:
    """Return its command on a log in the combined form, with a recorder a core."""
    flags = ["--dry-run", "--idsite=1", "--token-auth=made-up", "--log-format-name=ncsa_extended", "--recorders=2"]
    return [sys.executable, str(script), f"--url={url}", *flags, str(log)]
