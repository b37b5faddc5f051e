"""Dates in paths: `{{ date }}` is 2026-11-22, `{{ date | %Y%m%d }}` any other form of it."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etl.errors import JobError
from etl.job.shown import shown

if TYPE_CHECKING:
    from etl.job.models import Job

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_DATE = re.compile(r"\s*date\s*(?:\|(?P<form>.*))?", re.DOTALL)
_DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)

#: The directives of strftime that a date without a time can fill in, and that mean the same in every language.
_DIRECTIVES = "YymdjGVuUW%"


def check(text: str) -> None:
    """Raise ValueError where `text` holds a template that is not `{{ date }}` or `{{ date | FORM }}`."""
    for match in _TEMPLATE.finditer(text):
        _form(match)
    rest = _TEMPLATE.sub("", text)
    if "{{" in rest or "}}" in rest:
        raise ValueError(f"expected {{{{ date }}}}, found braces that do not match in {shown(text)}")


def has_date(text: str) -> bool:
    """Return whether `text` holds a template."""
    return _TEMPLATE.search(text) is not None


def uses_date(job: Job) -> bool:
    """Return whether a call of this job needs a date."""
    contacts = ((job.contacts.suppress or ()) + (job.contacts.known or ())) if job.contacts else ()
    beside = (path for lookup in job.lookups.values() for path in lookup.path)
    return any(map(has_date, (*job.source.path, *beside, *contacts)))


def fill(text: str, day: date | None) -> str:
    """Return `text` with its templates filled in.

    Raises JobError where there is a template and no date, ValueError where a template is none (`check` said so before).
    """
    check(text)
    if day is None:
        if has_date(text):
            raise JobError(f"the path {shown(text)} needs a date", hint="say --date 2026-11-22 or --date yesterday")
        return text
    return _TEMPLATE.sub(lambda match: _render(_form(match), day), text)


def parse_date(text: str, zone: str, *, now: datetime | None = None) -> date:
    """Return the date of `2026-11-22`, `yesterday` or `today`, those two by the calendar of `zone`; raise JobError."""
    words = {"today": 0, "yesterday": 1}
    if text in words:
        here = (now or datetime.now(ZoneInfo("UTC"))).astimezone(ZoneInfo(zone))
        return here.date() - timedelta(days=words[text])
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise JobError(f"there is no day {shown(text)}", hint="expected a date such as 2026-11-22") from None
    raise JobError(f"expected a date such as 2026-11-22, or yesterday, found {shown(text)}")


def _form(match: re.Match[str]) -> str:
    """Return the form that a template asks for."""
    template = _DATE.fullmatch(match[1])
    if template is None:
        raise ValueError(f"expected {{{{ date }}}} or {{{{ date | %Y%m%d }}}}, found {shown(match[0])}")
    if template["form"] is None:
        return "%Y-%m-%d"
    form = template["form"].strip()
    directives = _DIRECTIVE.findall(form)
    if not any(letter != "%" for _, letter in directives):
        raise ValueError(f"expected a form such as %Y%m%d after the bar, found {shown(match[0])}")
    for dash, letter in directives:
        if not letter or letter not in _DIRECTIVES or (dash and letter not in "mdjVUW"):
            raise ValueError(
                f"a date has no %{dash}{letter} in {shown(match[0])}; it has {' '.join('%' + d for d in _DIRECTIVES)}"
            )
    return form


def _render(form: str, day: date) -> str:
    """strftime, with `%-d` (no leading zero) on every platform and four digits for every year."""

    def one(match: re.Match[str]) -> str:
        if match[2] == "Y":
            return f"{day.year:04d}"
        text = day.strftime(f"%{match[2]}")
        return (text.lstrip("0") or "0") if match[1] else text

    return _DIRECTIVE.sub(one, form)
