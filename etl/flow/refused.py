"""A run of which the API has refused too much (guard `max_rejected`): why, and the ways on."""

from __future__ import annotations

from collections import Counter

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.flow.guards import Stopped
from etl.masking import masked

_ENOUGH = 100  # verdicts from which on the share counts
_MOST = 3
_LONGEST = 160


def refused_too_much(run: RunRow, checkpoint: Checkpoint, most: float) -> Stopped | None:
    """Return the guard of a run that has too many rejected events and others that are pending; None where it may go on."""
    counts = checkpoint.counts(run.run)
    verdicts = counts.delivered + counts.rejected
    pending = run.events - verdicts - counts.unknown - sum(counts.withdrawn.values())
    if not pending or verdicts < _ENOUGH or counts.rejected <= most * verdicts:
        return None
    date = f" --date {run.date}" if run.date else ""
    return Stopped(
        "max_rejected",
        f"the API rejected {counts.rejected:,} of {verdicts:,} events of run {run.name} ({counts.rejected / verdicts:.1%}), "
        f"more than delivery.max_rejected {most:.1%}: {_answers(checkpoint, run)}",
        f"mend the cause, then `clickreplay run JOB{date} --abandon`: it closes this run (its pending events were never sent), plans anew "
        "and sends nothing twice. Where the refusals are as they should be, raise delivery.max_rejected and run again",
    )


def _answers(checkpoint: Checkpoint, run: RunRow) -> str:
    """What the API said, the most frequent first, each with its count."""
    said: Counter[str] = Counter()
    for event in checkpoint.dead_letters(run.run):
        words = " ".join(masked((event.detail or "")[: 4 * _LONGEST]).split())
        said[f"{event.status or 'no status'} {words[:_LONGEST]}".strip()] += 1
    shown = [f"{count:,} × {words}" for words, count in said.most_common(_MOST)]
    more = len(said) - _MOST
    return "; ".join([*shown, *([f"and {more:,} other answers (`clickreplay rejects JOB`)"] if more > 0 else [])])
