"""The operator: a job of clickreplay as a task of Airflow 3."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from airflow.sdk import BaseHook, BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)
from airflow.sdk.log import mask_secret

from etl.airflow.child import Child
from etl.airflow.days import RunTimes, day_options
from etl.airflow.job_file import known_of
from etl.airflow.outcome import Outcome, Then, outcome_of, summary_of

_SOON = timedelta(seconds=30)  # a time that has just passed is no reason to spin
_STATE_HINT = "give a folder that outlives workers, and bundles with each of their versions: /var/lib/clickreplay/shop"


class ClickreplayOperator(BaseOperator):
    """Run a job for the days of the DAG's run, go on where an earlier try was cut, and say what became of it.

    The exit code decides (:mod:`etl.airflow.outcome`): success, retry, fail, skip, or a wait for `resume_at` without a slot. The JSON of
    the run is the task's XCom (`return_value`), also where it fails. A task that is killed drains: what is in flight gets its answer.

    :param job: the job file; a relative path starts at the folder of the DAG's file
    :param state: the state folder, an absolute path on storage that outlives the worker and every version of the bundle. There is no
        default, and the run is refused (exit 5) where it holds no ledger: a state that moved would send everything twice. For the first
        one see docs/airflow.md.
    :param date: the day, by a template for example; left out or empty: the days of the run (:func:`etl.airflow.days.days_of_run`);
        None: the job has no `{{ date }}`
    :param last: so many days in all, up to that one: late data of the days before goes out too
    :param overrides: `--set KEY=VALUE`, each as one text
    :param conn_id: the connection whose password is the API key. It goes into the process's environment under the name that the job gives
        (`delivery.api_key_env`), and nowhere else. Without it the worker's environment has to hold the key.
    :param python: the interpreter of the environment that clickreplay is installed in; left out: the task's own
    :param fail_on_rejects: fail (without a retry) where events were rejected or stay unknown (exit 3), which is a warning otherwise
    :param grace: seconds that a drain may take: a little more than the job's `delivery.timeout`
    """

    template_fields: Sequence[str] = ("job", "state", "date", "overrides")
    ui_color = "#e6f2e6"

    def __init__(
        self,
        *,
        job: str,
        state: str,
        date: str | None = "",
        last: int | None = None,
        overrides: Sequence[str] = (),
        conn_id: str | None = None,
        python: str | None = None,
        fail_on_rejects: bool = False,
        grace: float = 60.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job, self.state, self.date, self.last = job, state, date, last
        self.overrides, self.conn_id, self.python = overrides, conn_id, python
        self.fail_on_rejects, self.grace = fail_on_rejects, grace
        self._child: Child | None = None

    def execute(self, context: Any) -> None:
        """Run the job; raise what tells Airflow to retry, wait, skip or fail."""
        task_instance = context["ti"]
        job = self._job_file(task_instance)
        known = known_of(job, self.overrides)
        days = day_options(self.date, _times(context), known.zone, last=self.last)
        command = [self.python or sys.executable, "-P", "-m", "etl", "run", str(job), "--json", "--require-state"]
        command += ["--state", str(self._state_folder(task_instance)), *days]
        command += [part for text in self.overrides for part in ("--set", text)]
        self.log.info("Starting %s", " ".join(command))
        self._child = Child(command, self._environment(known.api_key_env), self.log.info, self.grace)
        try:
            code, out = self._child.run()
        except OSError as error:
            raise AirflowFailException(f"{command[0]} cannot be started: {error.strerror}") from error
        summary = summary_of(out)
        if summary is not None:
            task_instance.xcom_push(key="return_value", value=summary)
        self._end(outcome_of(code, summary, fail_on_rejects=self.fail_on_rejects))

    def on_kill(self) -> None:
        """Ask the run to drain; `execute`, which still waits for it, gets its exit code (75)."""
        if self._child is not None:
            self._child.drain()

    def _end(self, outcome: Outcome) -> None:
        match outcome.then:
            case Then.SUCCEED:
                self.log.info("%s", outcome.words)
            case Then.WARN:
                self.log.warning("%s", outcome.words)
            case Then.SKIP:
                raise AirflowSkipException(outcome.words)
            case Then.WAIT if outcome.at is not None:
                self.log.info("%s", outcome.words)
                raise AirflowRescheduleException(max(outcome.at, datetime.now(UTC) + _SOON))
            case Then.FAIL:
                raise AirflowFailException(outcome.words)
            case _:
                raise AirflowException(outcome.words)

    def _job_file(self, task_instance: Any) -> Path:
        return Path(task_instance.task.dag.fileloc).parent / self.job

    def _state_folder(self, task_instance: Any) -> Path:
        """Return the state folder; refuse one that goes with the bundle: its versions come and go with each commit."""
        state = Path(self.state)
        if not state.is_absolute():
            _refuse(f"state {self.state!r} is no absolute path; {_STATE_HINT}")
        bundle = getattr(task_instance, "bundle_instance", None)  # `airflow dags test` has none
        if bundle is not None and bundle.supports_versioning:
            for folder in (bundle.path, bundle.base_dir):
                if state.resolve().is_relative_to(Path(folder).resolve()):
                    _refuse(f"state {self.state} lies in bundle {bundle.name!r}; {_STATE_HINT}")
        return state

    def _environment(self, name: str) -> dict[str, str]:
        """Return the process's environment with the connection's key: not its arguments, which all users of the machine can see."""
        if self.conn_id is None:
            return dict(os.environ)
        key = BaseHook.get_connection(self.conn_id).password
        if not key:
            _refuse(f"connection {self.conn_id!r} has no password: the API key belongs there")
        mask_secret(key)
        return {**os.environ, name: key}


def _times(context: Any) -> RunTimes:
    """Return when the run is due and what it covers; a run without a logical date has no interval in its context."""
    return RunTimes(context["dag_run"].run_after, context.get("data_interval_start"), context.get("data_interval_end"))


def _refuse(words: str) -> NoReturn:
    raise AirflowFailException(words)
