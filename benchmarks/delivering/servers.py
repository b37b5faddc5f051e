"""The servers of the benchmarks, as processes of their own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[2]

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/body; keepalive_requests 100000000; client_max_body_size 20m;
  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }}
}}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Run nginx, which answers 200 to everything; give the API's address. FileNotFoundError where there is no nginx."""
    program = shutil.which("nginx")
    if program is None:
        raise FileNotFoundError("nginx is not installed (Debian: apt-get install nginx-light)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    conf = folder / "nginx.conf"
    conf.write_text(_NGINX.format(folder=folder, port=port))
    process = subprocess.Popen([program, "-c", str(conf), "-e", str(folder / "error.log")])
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def light(folder: Path, delay: float = 0.0) -> Iterator[tuple[str, Path]]:
    """Run our own cheap server; give the API's address and the file that holds the requests' times afterwards."""
    times = folder / "times"
    command = [sys.executable, "-m", "benchmarks.delivering.server", str(delay), str(times)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
    if process.stdin is None or process.stdout is None:
        raise AssertionError
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/api", times
    finally:
        process.stdin.close()
        process.wait()


@contextmanager
def fast(folder: Path) -> Iterator[str]:
    """Run the fastest server that this machine has, nginx or our own; give the API's address."""
    if shutil.which("nginx"):
        with nginx(folder) as url:
            yield url
    else:
        with light(folder) as (url, _):
            yield url
