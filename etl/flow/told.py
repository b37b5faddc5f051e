"""What the books of a plan give reason to say to people: warnings, each with what to do next."""

from __future__ import annotations

from datetime import timedelta

from etl.job.models import Job
from etl.report.books import Books


def warnings_of(books: Books, job: Job) -> list[str]:
    """Return the warnings of a plan or run."""
    delivery = job.delivery
    found = []
    if (stale := books.filtered["stale"]) and delivery.method == "event" and delivery.stale == "stop":
        found.append(
            f"warning: {_events(stale)} of a day that was finished before {_are(stale)} older than delivery.max_age "
            f"({delivery.max_age / timedelta(days=1):g} days) and left out (`stale`); "
            "`method: past_events` sends history, and starts no campaign"
        )
    if changed := books.duplicate["changed"]:
        found.append(
            f"warning: {_events(changed)} {_are(changed)} left out as duplicate `changed`: sent before with other content (same type, "
            "keyValue and time). Is the new content a correction? `--set changed=send` sends it once more"
        )
    return found


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
