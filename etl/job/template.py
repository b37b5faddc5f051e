"""Dates in paths and expressions: `{{ date }}` is 2026-11-22, `{{ date | %Y%m%d }}` any other form of it.

An expression is SQL, so a date in it stands within its quotes: `day = '{{ date }}'`. Without them 2026-11-22 would be a sum; a form
that is a number, such as `%Y%m%d`, may stand alone.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from etl.errors import JobError
from etl.job.shown import shown

if TYPE_CHECKING:
    from etl.job.models import Job

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_DATE = re.compile(r"\s*date\s*(?:\|(?P<form>.*))?", re.DOTALL)
#: What is a template in an expression, where other braces have a meaning of their own: structs, and texts such as '%{{%'.
_NAMED = re.compile(r"\{\{\s*(?P<name>\w+)\s*(?:\|[^{}]*)?\}\}")
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


def check_expression(text: str) -> None:
    """Raise ValueError where an expression holds a template that is none, or a date that SQL would take for a sum."""
    for match in _NAMED.finditer(text):
        if match["name"] != "date":
            raise ValueError(
                f"expected {{{{ date }}}} or {{{{ date | %Y%m%d }}}}, found {shown(match[0])}; "
                "a text with two braces is written '{' || '{…'"
            )
        form = _form(_template(match[0]))
        if not _is_quoted(text[: match.start()]) and not _render(form, date(2026, 11, 22)).isdecimal():
            raise ValueError(
                f"{match[0]} is text, and text stands in quotes: write \"'{match[0]}'\", found {shown(text)}"
            )


def has_date(text: str) -> bool:
    """Return whether `text` holds a template."""
    return _TEMPLATE.search(text) is not None


def paths_use_date(job: Job) -> bool:
    """Return whether the files that a job reads hang on a date."""
    contacts = ((job.contacts.suppress or ()) + (job.contacts.known or ())) if job.contacts else ()
    beside = (path for lookup in job.lookups.values() for path in lookup.path)
    return any(map(has_date, (*job.source.path, *beside, *contacts)))


def uses_date(job: Job) -> bool:
    """Return whether a call of this job needs a date: a path or an expression holds one."""
    return paths_use_date(job) or dated(job, date(2026, 11, 22)) is not job


def dated(job: Job, day: date | None) -> Job:
    """Return the job with the dates in its expressions filled in: itself where there are none.

    Its paths stay as they are: they are filled where they are opened. What a mapping is does not hang on the day, so its hash is
    that of the job as it was written. Raises JobError where there is a date to fill in, and no `day`.
    """
    names = [name for name in type(job).model_fields if name not in _NO_EXPRESSIONS]
    return _filled_model(job, names, day)


#: What of a job holds paths or plain values: no expressions.
_NO_EXPRESSIONS = ("job", "source", "contacts", "delivery")

_Model = TypeVar("_Model", bound=BaseModel)


def _filled_model(model: _Model, names: list[str], day: date | None) -> _Model:
    old = {name: getattr(model, name) for name in names}
    new = {name: _filled(value, day) for name, value in old.items()}
    changes = {name: new[name] for name in names if new[name] is not old[name]}
    return model.model_copy(update=changes) if changes else model


def _filled(value: object, day: date | None) -> object:
    """Return a value of the job with its dates filled in: the very same one where there are none."""
    if isinstance(value, str):
        return _filled_expression(value, day)
    if isinstance(value, BaseModel):
        # The paths of a lookup are filled where they are opened.
        return _filled_model(value, [name for name in type(value).model_fields if name != "path"], day)
    if isinstance(value, dict):
        mapping = {key: _filled(item, day) for key, item in value.items()}
        return mapping if any(mapping[key] is not item for key, item in value.items()) else value
    if isinstance(value, tuple):
        items = tuple(_filled(item, day) for item in value)
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _filled_expression(text: str, day: date | None) -> str:
    if not any(match["name"] == "date" for match in _NAMED.finditer(text)):
        return text
    if day is None:
        raise JobError(f"the expression {shown(text)} needs a date", hint=_SAY)
    return _NAMED.sub(lambda match: _render(_form(_template(match[0])), day), text)


_SAY = "say --date 2026-11-22 or --date yesterday"


def fill(text: str, day: date | None) -> str:
    """Return `text` with its templates filled in.

    Raises JobError where there is a template and no date, ValueError where a template is none (`check` said so before).
    """
    check(text)
    if day is None:
        if has_date(text):
            raise JobError(f"the path {shown(text)} needs a date", hint=_SAY)
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


def _template(text: str) -> re.Match[str]:
    match = _TEMPLATE.fullmatch(text)
    if match is None:
        raise AssertionError(text)
    return match


def _is_quoted(before: str) -> bool:
    """Return whether what follows stands within an SQL text or a quoted name; a quote in a text is written twice."""
    quote = ""
    for character in before:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return quote != ""


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
