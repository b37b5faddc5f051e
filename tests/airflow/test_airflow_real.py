"""The operator under a real Airflow: `make airflow-test` builds its environment, and runs these, which take some minutes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow_home import DAY, EXAMPLE, KEY, Home, Shop, bin_folder, free_port, last_two_o_clock, wait_for

from etl.sandbox.settings import Misbehaviour

pytestmark = pytest.mark.skipif(
    "CLICKREPLAY_AIRFLOW" not in os.environ, reason="a real Airflow takes minutes: `make airflow-test` runs it"
)

TODAY = datetime.now(UTC).date()
FIRST = TODAY - 20 * DAY
_WAITS = (
    "SELECT w.reschedule_date, w.end_date FROM task_reschedule w JOIN task_instance t ON t.id = w.ti_id "
    "WHERE t.dag_id = ?"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("airflow") / "home")


@pytest.fixture(scope="module")
def at_work(home: Home) -> Iterator[Home]:
    with home.at_work():
        yield home


def new_shop(folder: Path, name: str, days: list[date], *, rows: int = 120, **delivery: str) -> Shop:
    """A shop whose state folder is there: `plan` makes it, and sends nothing."""
    shop = Shop(name, folder / name, free_port(), rows, delivery)
    shop.write_job()
    for day in days:
        shop.write_day(day)
    new_state(shop, days[0])
    return shop


def new_state(shop: Shop, day: date) -> None:
    """The documented first call."""
    command = [str(bin_folder() / "clickreplay"), "plan", str(shop.job), "--state", str(shop.state)]
    subprocess.run([*command, "--require-state", "--new-state", "--date", str(day)], check=True, capture_output=True)


def test_the_example_is_parsed_without_an_error_and_loads_nothing_heavy(home: Home) -> None:
    heavy = ["aiohttp", "duckdb", "numpy", "pandas", "pandera", "pyarrow", "requests", "ruamel", "zstandard"]
    script = (
        "import runpy, sys, json, airflow.sdk.bases.operator, airflow.sdk.bases.hook, airflow.sdk.log; before = set(sys.modules); "
        f"runpy.run_path({str(EXAMPLE)!r}); "
        "print(json.dumps([sorted(set(sys.modules) - before), sorted(sys.modules)]))"
    )
    said = subprocess.run(
        [bin_folder() / "python", "-c", script], env=home.environment, capture_output=True, text=True, check=True
    ).stdout
    added, loaded = json.loads(said.splitlines()[-1])
    assert [name for name in added if name.startswith("etl.") and not name.startswith("etl.airflow.")] == [
        "etl.airflow",
        "etl.errors",
    ]
    assert [name for name in heavy if name in added] == []
    assert [name for name in ("duckdb", "pandas", "pandera", "pyarrow") if name in loaded] == []
    (home.dags / "shop_nightly.py").write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    home.parse()
    assert home.query("SELECT dag_id FROM dag WHERE dag_id = 'shop_nightly'") != []


def test_three_days_with_a_kill_in_the_middle_of_the_second(home: Home, tmp_path: Path) -> None:
    days = [FIRST, FIRST + DAY, FIRST + 2 * DAY]
    shop = new_shop(tmp_path, "shop_killed", days, rate="40/s")
    dag = home.add_dag(shop)
    with shop.server():
        for number, day in enumerate(days):
            # The run of the next night is the run for this day.
            test = home.start(f"test-{day}", "dags", "test", dag, str(day + DAY))
            if number == 1:
                wait_for(lambda: shop.record.accepted() > 1.4 * shop.rows, "the second day does not get under way")
                os.kill(pid_of_run(shop, day), signal.SIGKILL)
            assert test.wait(180) == 0, (home.folder / f"test-{day}.log").read_text("utf-8")
    said = (home.folder / f"test-{days[1]}.log").read_text("utf-8")
    assert "ended by signal 9" in said
    assert said.count(f"--date {days[1]}") == 2, "not two tries"
    arrived, resent = shop.arrived(), summaries(home, dag)[1]["resent"]
    assert set(arrived) == set(shop.expected(*days)), "lost, or never to be sent"
    twice = arrived - shop.expected(*days)
    # What was in flight when the process was killed has an unknown outcome and goes out again, and is counted: nothing else is twice.
    assert sum(twice.values()) <= resent <= 16
    assert all(number.startswith(str(days[1])) for number in twice)


def test_tonight_on_the_defaults_of_a_cron_schedule_and_a_backfill_of_a_week(at_work: Home, tmp_path: Path) -> None:
    tick = last_two_o_clock(datetime.now(UTC))
    night = tick.astimezone(ZoneInfo("Europe/Kyiv")).date() - DAY
    week = [FIRST + number * DAY for number in range(7)]
    shop = new_shop(tmp_path, "shop_week", [night, *week], rows=60)
    dag = at_work.add_dag(shop)
    at_work.parse()
    with shop.server():
        at_work.airflow("dags", "unpause", dag)
        sql = "SELECT run_id FROM dag_run WHERE dag_id = ? AND run_type = 'scheduled'"
        run = wait_for(lambda: at_work.query(sql, dag), "the schedule starts nothing")[0][0]
        assert at_work.await_task(dag, run, "success", "failed") == ("success", 1), at_work.log_of(dag, run)
        assert shop.arrived() == shop.expected(night)
        # `depends_on_past` keeps the days in order, and Airflow wants to hear about runs that are there in such a DAG.
        dates = [
            "--reprocess-behavior",
            "failed",
            "--from-date",
            f"{week[1]}T00:00:00+00:00",
            "--to-date",
            f"{week[-1] + DAY}T23:00:00+00:00",
        ]
        at_work.airflow("backfill", "create", "--dag-id", dag, *dates)
        sql = "SELECT count(*) FROM dag_run WHERE dag_id = ? AND run_type = 'backfill' AND state = 'success'"
        wait_for(
            lambda: at_work.query(sql, dag) == [(7,)], f"the backfill does not end: {summaries(at_work, dag)}", 240
        )
    assert shop.arrived() == shop.expected(night, *week)
    for numbers in shop.days_by_key().values():
        later = [number.split("/")[0] for number in numbers if not number.startswith(str(night))]
        assert later == sorted(later), "a later day's event of a key went out before an earlier day's"


def test_a_wait_for_resume_at_holds_no_slot_and_uses_no_try(at_work: Home, tmp_path: Path) -> None:
    shop = new_shop(tmp_path, "shop_waits", [FIRST], rows=20, give_up="5s")
    dag = at_work.add_dag(shop)
    at_work.parse()
    at_work.trigger(dag, "one", FIRST)
    with shop.server(Misbehaviour(rate_503=1.0, retry_after=45.0)):
        at_work.airflow("dags", "unpause", dag)
        assert at_work.await_task(dag, "one", "up_for_reschedule", "up_for_retry", "failed", "success") == (
            "up_for_reschedule",
            1,
        ), at_work.log_of(dag, "one")
        (waits,) = at_work.query(_WAITS, dag)
        until, since = (datetime.fromisoformat(text) for text in waits)
        assert timedelta(seconds=25) < until - since < timedelta(seconds=50)
    with shop.server():
        assert at_work.await_task(dag, "one", "failed", "success") == ("success", 1), at_work.log_of(dag, "one")
    assert shop.arrived() == shop.expected(FIRST)
    assert len(at_work.query(_WAITS, dag)) == 1, "it was started in between"


def test_a_task_that_is_killed_drains_and_leaves_nothing_unknown(at_work: Home, tmp_path: Path) -> None:
    # Each answer takes 9 seconds: longer than the 5 that Airflow gives a task.
    shop = new_shop(tmp_path, "shop_drains", [FIRST], rows=40, rate="5/s", concurrency="4")
    dag = at_work.add_dag(shop)
    at_work.parse()
    at_work.trigger(dag, "one", FIRST)
    with shop.server(Misbehaviour(latency=9.0)):
        at_work.airflow("dags", "unpause", dag)
        wait_for(lambda: shop.record.accepted() > 5, "the run does not get under way")
        run = pid_of_run(shop, FIRST)
        at_work.set_failed(dag, "one")
        wait_for(lambda: not Path(f"/proc/{run}").exists(), "the run does not end")
        assert shop.record.accepted() < shop.rows, "it ended by itself: the test would prove nothing"
    with shop.server():
        at_work.airflow("tasks", "clear", "--yes", dag)
        at_work.await_task(dag, "one", "success")
    (books,) = summaries(at_work, dag, "one")
    assert (books["delivered"], books["unknown"], books["resent"]) == (shop.rows, 0, 0)
    assert shop.arrived() == shop.expected(FIRST)


def test_two_versions_of_a_bundle_have_one_ledger_and_no_state_in_them(at_work: Home, tmp_path: Path) -> None:
    days = [FIRST, FIRST + DAY]
    shop = new_shop(tmp_path, "shop_versions", days, rows=30)
    # The job goes with the DAG's versions, as it should; exports and state do not.
    (at_work.repository / "job.yaml").write_bytes(shop.job.read_bytes())
    dag = at_work.add_dag(shop, into=at_work.repository, job="job.yaml")
    inside = at_work.add_dag(
        shop, "shop_inside", into=at_work.repository, job="job.yaml", state=f"{at_work.folder}/bundles/shop/state"
    )
    at_work.commit("first")
    with shop.server():
        at_work.parse()
        at_work.airflow("dags", "unpause", dag)
        first = trigger_and_wait(at_work, dag, "first", days[0])
        assert shop.arrived() == shop.expected(days[0])
        at_work.add_dag(shop, into=at_work.repository, job="job.yaml", words="the second version")
        at_work.commit("second")
        at_work.parse()
        second = trigger_and_wait(at_work, dag, "second", days[0])
        assert shop.arrived() == shop.expected(days[0])
        trigger_and_wait(at_work, dag, "third", days[1])
        assert shop.arrived() == shop.expected(*days)
        assert None not in (first, second)
        assert first != second, "one version only: the test would prove nothing"
        at_work.airflow("dags", "unpause", inside)
        at_work.trigger(inside, "one", days[0])
        assert at_work.await_task(inside, "one", "failed", "success") == ("failed", 1)
    assert "lies in bundle 'shop'" in at_work.log_of(inside, "one")
    assert shop.arrived() == shop.expected(*days)


def test_a_day_without_input_is_skipped_and_a_refused_key_fails_at_once(at_work: Home, tmp_path: Path) -> None:
    shop = new_shop(tmp_path, "shop_empty", [FIRST], account="'Another organisation'")
    dag = at_work.add_dag(shop)
    at_work.parse()
    with shop.server():
        at_work.airflow("dags", "unpause", dag)
        at_work.trigger(dag, "none", FIRST + 5 * DAY)
        assert at_work.await_task(dag, "none", "failed", "success", "skipped")[0] == "skipped"
        at_work.trigger(dag, "one", FIRST)
        assert at_work.await_task(dag, "one", "failed", "success") == ("failed", 1)
    assert "exit 77" in at_work.log_of(dag, "one")
    assert shop.arrived() == Counter()


def test_the_key_of_the_connection_is_in_no_log(home: Home) -> None:
    logs = [path for path in home.folder.rglob("*.log") if path.is_file()]
    assert any("etl run" in path.read_text("utf-8", "replace") for path in logs), "no task has run: this proves nothing"
    assert [path for path in logs if KEY in path.read_text("utf-8", "replace")] == []


def trigger_and_wait(home: Home, dag: str, run: str, day: date) -> str:
    """Run a DAG for a day; return the version of its bundle."""
    home.trigger(dag, run, day)
    assert home.await_task(dag, run, "failed", "success") == ("success", 1), home.log_of(dag, run)
    return str(home.query("SELECT bundle_version FROM dag_run WHERE dag_id = ? AND run_id = ?", dag, run)[0][0])


def pid_of_run(shop: Shop, day: date) -> int:
    """The process of the call that is at work on a day."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if {"run", str(shop.state), str(day)} <= set(arguments):
            assert KEY not in arguments
            return int(folder.name)
    raise AssertionError("no run is at work")


def summaries(home: Home, dag: str, run: str = "%") -> list[dict[str, Any]]:
    """What the DAG's tasks have left for others, oldest day first."""
    sql = "SELECT value FROM xcom WHERE dag_id = ? AND run_id LIKE ? AND key = 'return_value'"
    rows = home.query(sql, dag, run)
    found = [json.loads(value) for (value,) in rows]
    return sorted((json.loads(one) if isinstance(one, str) else one for one in found), key=lambda one: str(one["date"]))
