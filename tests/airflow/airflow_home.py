"""A real Airflow in a folder: its own home, SQLite, LocalExecutor; and shops whose DAGs are the example, as it stands, in a hurry."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import subprocess
import time
import urllib.request
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from etl.sandbox.process import Child, start_child
from etl.sandbox.record import Record
from etl.sandbox.settings import Misbehaviour, Settings

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "jobs/airflow/shop_nightly.py"
KEY = "a-key-that-is-made-up-7351"
DAY = timedelta(days=1)
_LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
_GIT = "airflow.providers.git.bundles.git.GitDagBundle"


def bin_folder() -> Path:
    """Where Airflow's commands lie: `make airflow-test` builds it from requirements-airflow.lock."""
    return PROJECT / ".venv-airflow/bin"


def wait_for(what: Callable[[], Any], why: str, seconds: float = 120) -> Any:
    """Return what comes true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, why
        time.sleep(0.3)
    return found


@dataclass
class Shop:
    """A shop with a DAG, exports, a state folder and a server of its own; each row becomes an event, known by its number."""

    name: str
    folder: Path
    port: int
    rows: int = 120
    delivery: dict[str, str] = field(default_factory=dict)

    @property
    def job(self) -> Path:
        return self.folder / "job.yaml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def record(self) -> Record:
        return Record(self.folder / "record.sqlite")

    def write_job(self) -> None:
        """A job whose key has a name of its own: the connection has to arrive under it."""
        (self.folder / "exports").mkdir(parents=True)
        delivery = {
            "api": f"http://127.0.0.1:{self.port}/api",
            "api_key_env": "SHOP_KEY",
            "rate": "60/s",
            "stale": "send",
            **self.delivery,
        }
        lines = "".join(f"  {key}: {value}\n" for key, value in delivery.items())
        self.job.write_text(
            f"job: {self.name}\n"
            "source:\n"
            f"  path: {self.folder}/exports/{{{{ date }}}}.csv\n"
            "  missing: skip\n"
            "time:\n  column: at\n  zone: Europe/Kyiv\n"
            "contact:\n  externalCustomerId: customer\n"
            "events:\n"
            "  - type: couponSeen\n    custom: true\n    params:\n      number: number\n"
            f"delivery:\n{lines}",
            "utf-8",
        )

    def write_day(self, day: date) -> None:
        """An export of a day."""
        rows = [f"{day}T{8 + n // 60:02}:{n % 60:02}:00,c{n % 7},{day}/{n}\n" for n in range(self.rows)]
        (self.folder / f"exports/{day}.csv").write_text("at,customer,number\n" + "".join(rows), "utf-8")

    def expected(self, *days: date) -> Counter[str]:
        """The multiset that those days must leave at the server."""
        return Counter(f"{day}/{n}" for day in days for n in range(self.rows))

    def arrived(self) -> Counter[str]:
        """The multiset that the server has recorded."""
        return Counter(number_in(event.body) for event in self.record.events())

    def days_by_key(self) -> dict[str, list[str]]:
        """The numbers of each key in order of arrival."""
        return {key: [number_in(one.body) for one in events] for key, events in self.record.order_by_key().items()}

    def server(self, misbehaviour: Misbehaviour | None = None) -> Child:
        """Start the sandbox, which takes the made-up key only."""
        settings = Settings(keys=(KEY,), misbehaviour=misbehaviour or Misbehaviour())
        return start_child(self.folder / "record.sqlite", settings, port=self.port)


def number_in(body: str) -> str:
    """The row's number in a body, wherever the method puts it."""
    found = [one["value"] for one in json.loads(body)["params"] if one["name"] == "number"]
    return str(found[0])


class Home:
    """Airflow's home in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.dags = folder, folder / "dags"
        self.dags.mkdir(parents=True)
        self.port, self.repository = free_port(), folder / "repository"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "CLICKREPLAY"))},
            "PATH": f"{bin_folder()}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
                [
                    {"name": "dags-folder", "classpath": _LOCAL, "kwargs": {}},
                    {
                        "name": "shop",
                        "classpath": _GIT,
                        "kwargs": {"repo_url": str(self.repository), "tracking_ref": "main"},
                    },
                ]
            ),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(folder / "bundles"),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
        }
        self.repository.mkdir()
        self._git("init", "-q", "-b", "main")
        self.commit("nothing yet")
        self.airflow("db", "migrate")
        self.airflow("connections", "add", "esputnik", "--conn-type", "generic", "--conn-password", KEY)

    def airflow(self, *arguments: str) -> str:
        """Call `airflow`; return what it says, on both ways."""
        done = subprocess.run(
            ["airflow", *arguments], env=self.environment, capture_output=True, text=True, cwd=self.folder, timeout=300
        )
        assert done.returncode == 0, f"airflow {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Start `airflow`; what it says goes to a file of its own."""
        with (self.folder / f"{name}.log").open("a") as log:
            return subprocess.Popen(
                ["airflow", *arguments], env=self.environment, stdout=log, stderr=log, cwd=self.folder, text=True
            )

    def add_dag(
        self, shop: Shop, name: str = "", *, into: Path | None = None, job: str = "", state: str = "", words: str = ""
    ) -> str:
        """Write the example as the DAG of a shop: another name, other paths, tries soon one after the other; no other change."""
        text = EXAMPLE.read_text("utf-8")
        changes = {
            '"shop_nightly"': f'"{name or shop.name}"',
            "timedelta(minutes=15)": "timedelta(seconds=2)",
            "/srv/clickreplay/jobs/shop.yaml": job or str(shop.job),
            "/var/lib/clickreplay/shop-nightly": state or str(shop.state),
        }
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        ((into or self.dags) / f"{name or shop.name}.py").write_text(f"{text}\n# {words}\n", "utf-8")
        return name or shop.name

    def commit(self, words: str) -> None:
        """Make a new version of the bundle that is a repository of git."""
        self._git("add", "-A")
        self._git(
            "-c", "user.name=Test", "-c", "user.email=test@shop.example", "commit", "-q", "--allow-empty", "-m", words
        )

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.repository, check=True, capture_output=True)

    def parse(self) -> None:
        """Parse all DAGs once, as the DAG processor does, and see that no file has an error."""
        self.airflow("dag-processor", "--num-runs", "1")
        assert self.query("SELECT filename, stacktrace FROM import_error") == []

    def query(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """Ask Airflow's database."""
        connection = sqlite3.connect(f"file:{self.folder}/airflow.db?mode=ro", uri=True, timeout=30)
        try:
            return list(connection.execute(sql, values))
        finally:
            connection.close()

    def trigger(self, dag: str, run: str, day: date) -> None:
        """Trigger a DAG by hand for a day; it has to be active."""
        self.airflow("dags", "trigger", dag, "--run-id", run, "--conf", json.dumps({"date": str(day)}))

    def task(self, dag: str, run: str) -> tuple[str | None, int]:
        """The state of a run's task, and the number of its try."""
        sql = "SELECT state, try_number FROM task_instance WHERE dag_id = ? AND run_id = ?"
        return next(iter(self.query(sql, dag, run)), (None, 0))

    def await_task(self, dag: str, run: str, *states: str) -> tuple[str | None, int]:
        """Wait until a task is in one of the states."""
        wait_for(lambda: self.task(dag, run)[0] in states, f"{dag} {run}: {self.task(dag, run)}, not {states}")
        return self.task(dag, run)

    def log_of(self, dag: str, run: str) -> str:
        """The task's log, of all tries."""
        files = sorted(self.folder.glob(f"logs/dag_id={dag}/run_id={run}/**/*.log"))
        return "".join(file.read_text("utf-8") for file in files)

    def set_failed(self, dag: str, run: str) -> None:
        """Mark a task as failed, as a person does in the browser."""
        base = f"http://127.0.0.1:{self.port}"
        token = json.load(urllib.request.urlopen(f"{base}/auth/token"))["access_token"]
        request = urllib.request.Request(
            f"{base}/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/replay",
            data=json.dumps({"new_state": "failed"}).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method="PATCH",
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The API server and the scheduler, which has the LocalExecutor in it."""
        processes = [self.start("api-server", "api-server")]
        try:
            wait_for(self._answers, "the API server does not answer")
            processes.append(self.start("scheduler", "scheduler"))
            yield
        finally:
            for process in reversed(processes):
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def last_two_o_clock(now: datetime) -> datetime:
    """When the example's schedule was due last."""
    tick = now.replace(hour=2, minute=0, second=0, microsecond=0)
    return tick if tick <= now else tick - DAY
