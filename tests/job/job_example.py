"""The job file of DESIGN (without what this version does not have yet), whole and with one thing changed."""

from pathlib import Path

from etl.job.models import Job
from etl.job.read import JobMistakes, read_text

PATH = Path("jobs/shop.yaml")
DESIGN = Path(__file__).with_name("design.yaml").read_text(encoding="utf-8")

SMALL = """\
job: small
source: {path: visits.csv}
contact: {email: email}
events:
  - type: pageViewed
    page: {location: url}
delivery: {api: sandbox}
"""


def job(text: str = SMALL, *overrides: str) -> Job:
    return read_text(text, PATH, overrides)


def changed(old: str, new: str, text: str = DESIGN) -> str:
    assert old in text, f"{old!r} is not in the example"
    return text.replace(old, new, 1)


def mistakes(text: str, *overrides: str) -> dict[str, str]:
    """Return every mistake of a job file, by key; fail when it has none."""
    try:
        read_text(text, PATH, overrides)
    except JobMistakes as error:
        return {m.key: m.message for m in error.mistakes}
    raise AssertionError("the job file was accepted")


def small(**keys: str) -> str:
    """Return the small job file with more keys at its top, each `key="yaml"` in flow style."""
    return SMALL + "".join(f"{key}: {value}\n" for key, value in keys.items())


def event(text: str) -> str:
    """Return the small job file with another event, written as the lines under `- `."""
    head, tail = SMALL.split("  - type: pageViewed\n    page: {location: url}\n")
    lines = text.strip("\n").splitlines()
    indented = "\n".join(("  - " if n == 0 else "    ") + line for n, line in enumerate(lines))
    return f"{head}{indented}\n{tail}"
