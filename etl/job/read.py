"""Reads a job file: the text into values (`document`), `--set` over them (`override`), all into models (`models`).

Every mistake is told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from etl.errors import JobError
from etl.job.document import Document, read_document
from etl.job.mistakes import JobMistakes, Mistake, Where, dotted
from etl.job.models import Job
from etl.job.override import apply, parse_override

#: Mappings of names to expressions, at the top of the file or in an event.
_EXPRESSIONS = ("let", "filters", "contact", "params", "page", "product", "category", "products")

__all__ = ["JobMistakes", "Mistake", "read_job", "read_text"]


def read_job(path: Path, overrides: Sequence[str] = ()) -> Job:
    """Read a job file; `overrides` are those of `--set`, as `delivery.rate=100/s`.

    Raises JobMistakes with every mistake, JobError where the file itself is missing or cannot be read (both exit 2).
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise JobError(f"{path}: there is no such job file", hint="copy one from jobs/ to start with") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise JobMistakes(path, [Mistake(line, "", "is no UTF-8; save the job file as UTF-8")]) from None
    except OSError as error:
        raise JobError(f"{path}: the job file cannot be read: {error.strerror}") from None
    return read_text(text, path, overrides)


def read_text(text: str, path: Path, overrides: Sequence[str] = ()) -> Job:
    """Read the text of a job file; `path` is where it stands: relative paths of the job start at its folder."""
    document = read_document(text)
    if document.values is None and not document.mistakes:
        raise JobMistakes(path, [Mistake(1, "", "is empty; expected a mapping with job, source, events and delivery")])
    values = document.values
    mistakes = [*document.mistakes, *_without_value(document)]
    if not isinstance(values, dict):
        if not mistakes:
            mistakes = [Mistake(1, "", "expected a mapping with keys such as job, source, events and delivery")]
        raise JobMistakes(path, mistakes)
    given: set[str] = set()
    for written in overrides:
        try:
            given.add(dotted(apply(parse_override(written), values)))
        except ValueError as error:
            mistakes.append(Mistake(None, written.partition("=")[0].strip(), str(error)))
    overridden = frozenset(given)
    try:
        job = Job.model_validate(values).placed(path, document.lines, overridden)
    except ValidationError as error:
        found = [_mistake(e["loc"], e["msg"], document, overridden) for e in error.errors()]
        # What YAML cut in pieces is told once, in the words that say how to mend it.
        mistakes += [m for m in found if not any(_within(m.key, key) for key in document.dropped)]
        raise JobMistakes(path, mistakes) from None
    if mistakes:
        raise JobMistakes(path, mistakes)
    return job


def _without_value(document: Document) -> Iterator[Mistake]:
    """Yield keys with nothing behind their colon where that is a slip: names in mappings of expressions (RULES §11)."""
    for where in document.empty:
        top = where[0] in _EXPRESSIONS and len(where) == 2
        line = document.lines[dotted(where)]
        if top or (where[0] == "events" and len(where) == 4 and where[2] in _EXPRESSIONS):
            yield Mistake(line, dotted(where), "has no value; expected an SQL expression (null leaves the key out)")
        elif where == ("source", "delimiter"):
            yield Mistake(line, dotted(where), 'has no value; a # in YAML starts a comment, the delimiter is "#"')


def _within(key: str, above: str) -> bool:
    return key == above or (above != "" and key.startswith((f"{above}.", f"{above}[")))


def _mistake(where: Where, message: str, document: Document, overridden: frozenset[str]) -> Mistake:
    """Place a mistake: at its key, or at the nearest one above that the file has; None where `--set` gave it."""
    ways = [dotted(where[:depth]) for depth in range(len(where), 0, -1)]
    if any(way in overridden for way in ways):
        return Mistake(None, dotted(where), message)
    return Mistake(next((document.lines[way] for way in ways if way in document.lines), 1), dotted(where), message)
