"""What the books of a plan give reason to say to people: warnings, each with what to do next."""

from __future__ import annotations

from datetime import timedelta

from etl.flow.advice import doubts_of
from etl.job.models import Job
from etl.report.books import Books

#: Reasons by which a match falls out, not a row.
_OF_MATCHES = (
    "anonymous", "suppressed", "unknown_contact", "only", "stale", "max_per_contact", "sample", "horizon", "purged",
)  # fmt: skip


def warnings_of(books: Books, job: Job, *, replay: bool = False) -> list[str]:
    """Return the warnings of a plan or run; a `replay` has a few rows, which few rules take."""
    delivery = job.delivery
    found = [] if replay else [*doubts_of(job), *_that_take_nothing(books, job)]
    if (stale := books.filtered["stale"]) and delivery.method == "event" and delivery.stale == "stop":
        found.append(
            f"warning: {_events(stale)} of a day that was finished before {_are(stale)} older than delivery.max_age "
            f"({delivery.max_age / timedelta(days=1):g} days) and left out (`stale`); "
            "`method: past_events` sends history, and starts no campaign"
        )
    for reason, count in books.short_carts.most_common():
        found.append(
            f"warning: {count:,} {'cart is' if count == 1 else 'carts are'} not sent, since `{reason}` took some of their lines; "
            f"their other lines are counted as `{reason}` too. Leave lines out of a cart by the rule's `where`; carry a contact that "
            "only the first line has down to the others by a lookup (docs/ready-jobs.md)"
        )
    if rows := books.carts_twice:
        found.append(
            f"warning: {rows:,} {'row' if rows == 1 else 'rows'} of carts have a local time that occurs twice, as clocks go back then: the "
            f"first at {', '.join(books.carts_twice_at)}. Look whether the last cart of these contacts is right, or export times with "
            "their offset or in UTC"
        )
    if again := books.left_out.count:
        found.append(
            f"warning: {_events(again)} {_are(again)} left out as duplicate `changed`: run {', '.join(books.left_out.runs)} has sent "
            f"the same rows under another keyValue, time or id: {'; '.join(books.left_out.examples)}. `--set changed=send` sends them "
            "once more"
        )
    if changed := books.duplicate["changed"] - again:
        found.append(
            f"warning: {_events(changed)} {_are(changed)} left out as duplicate `changed`: sent before with other content (same type, "
            "keyValue and time). Is the new content a correction? `--set changed=send` sends it once more"
        )
    return found


def _that_take_nothing(books: Books, job: Job) -> list[str]:
    """Rules and filters that no row fits, and a night whose matches all fell out."""
    found = []
    if books.reached:
        found += [f"warning: filters.{name} takes no row" for name in job.named_filters if not books.filtered[name]]
    if books.taken:
        found += [
            f"warning: events[{number}] ({rule.type}) takes no row"
            for number, rule in enumerate(job.events)
            if not books.taken[str(number)]
        ]
    if books.taken and not books.events + books.invalid + books.folded + books.duplicate.total():
        if books.filtered["only"]:
            found.append(
                "warning: --only takes no event: no match is of these keyValues (case and every character count)"
            )
        reasons = [f"{name} {books.filtered[name]:,}" for name in _OF_MATCHES if books.filtered[name]]
        found.append(f"warning: every match fell out by a filter: {', '.join(reasons) or 'none was left'}")
    found += [f"warning: {doubt}" for doubt in books.doubts]
    return found


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
