"""Who receives a run's requests: the API with the key from the environment, its account checked, or the built-in sandbox."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from etl.delivery.account import check_account
from etl.delivery.post import Bulk, Settings
from etl.delivery.window import Window
from etl.errors import RefusedError
from etl.flow.state import Place, organisation, places, remember_organisation
from etl.job.models import Job
from etl.job.values import hours
from etl.sandbox.process import start_child
from etl.sandbox.settings import Settings as Sandbox


@dataclass(frozen=True, slots=True)
class Target:
    """The API's address and the key."""

    api: str
    key: str = field(repr=False)


@contextmanager
def open_target(job: Job, place: Place, say: Callable[[str], None]) -> Iterator[Target]:
    """Give the target of a job's requests; raise RefusedError for a missing key or another account than the one expected."""
    if job.delivery.sandbox:
        with start_child(place.folder / "sandbox.sqlite", Sandbox(check_types=True)) as child:
            say(f"sandbox: the built-in stand-in; what it accepts stands in {child.record}")
            yield Target(child.url, "sandbox")
        return
    target = Target(job.delivery.api, api_key(job.delivery.api_key_env, say))
    _check(target, job, place, say)
    yield target


def api_key(variable: str, say: Callable[[str], None]) -> str:
    """Return the key from the environment variable, or from the file that `<variable>_FILE` names; raise RefusedError.

    A file that every user of the machine can read is warned of.
    """
    if key := os.environ.get(variable, "").strip():
        return key
    if file := os.environ.get(f"{variable}_FILE"):
        try:
            key = Path(file).read_text("utf-8").strip()
            if Path(file).stat().st_mode & stat.S_IROTH:
                say(
                    f"warning: {variable}_FILE names {file}, which all users of this machine can read: chmod 600 {file}"
                )
            if key:
                return key
        except UnicodeDecodeError as error:
            raise RefusedError(f"{variable}_FILE names {file}, which is no text in UTF-8") from error
        except OSError as error:
            raise RefusedError(f"{variable}_FILE names {file}, which cannot be read: {error.strerror}") from error
        raise RefusedError(f"{variable}_FILE names {file}, which is empty")
    raise RefusedError(
        f"no API key: the environment has neither {variable} nor {variable}_FILE",
        hint=f"export {variable}=… (never in the job file or on the command line)",
    )


def _check(target: Target, job: Job, place: Place, say: Callable[[str], None]) -> None:
    """Ask whose key it is before the first event (DESIGN, promise 7); what cannot be asked is a warning."""
    account = check_account(target.api, target.key, timeout=job.delivery.timeout.total_seconds(), ca=_ca(job))
    if account.warning is not None:
        say(f"warning: {account.warning}")
    if account.organisation is None:
        _refuse_unproved_pin(job, place)
        return
    say(f"account: {account.organisation}")
    pinned, known = job.delivery.account, organisation(place)
    for name, source in ((pinned, "delivery.account pins"), (known, "earlier runs to this destination were for")):
        if name is not None and name != account.organisation:
            raise RefusedError(
                f"the API key belongs to {account.organisation!r}, {source} {name!r}",
                hint="use the key of that organisation",
            )
    if known is None:
        remember_organisation(place, account.organisation)


def _refuse_unproved_pin(job: Job, place: Place) -> None:
    """A pin that nobody can check must not make a new destination beside one that has sent: all would go out again."""
    if job.delivery.account is None or organisation(place) is not None:
        return
    for other in places(place.folder.parent):
        known = organisation(other)
        if other.folder != place.folder and other.destination.address == place.destination.address and known:
            raise RefusedError(
                f"delivery.account pins {job.delivery.account!r}, earlier runs to this address were for {known!r}, "
                "and the API does not say whose key this is",
                hint="give the key the right to GET account/info, or take the pin out",
            )


def window_of(job: Job) -> Window | None:
    """Return the hours in which live events may go, by the job's zone; None for all."""
    hours_of_day = job.delivery.window
    return Window(*hours(hours_of_day), job.time.zone if job.time else "UTC") if hours_of_day else None


def settings_of(job: Job, target: Target) -> Settings:
    """Return the delivery's settings as the job has them now: they may change while a run goes on."""
    d = job.delivery
    zone = job.time.zone if job.time else "UTC"
    return Settings(
        api=target.api,
        key=target.key,
        method=d.method,
        rate=d.rate,
        concurrency=d.concurrency,
        bulk=Bulk(d.bulk.size, d.bulk.pause.total_seconds()) if d.bulk else None,
        timeout=d.timeout.total_seconds(),
        give_up=d.give_up.total_seconds(),
        on_unknown=d.on_unknown,
        time_param=d.time_param,
        batch=d.batch,
        batch_bytes=d.batch_bytes,
        occurred_zone=d.occurred_zone or zone,
        window=window_of(job) if d.method == "event" else None,
        max_rejected=d.max_rejected,
        ca=_ca(job),
        direct=d.sandbox,
    )


def _ca(job: Job) -> str | None:
    """Return the file of certificates to trust, which starts at the job's folder; None for the usual ones."""
    return str(job.folder / job.delivery.ca) if job.delivery.ca else None
