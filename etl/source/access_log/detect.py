"""Which format a log has: as the job says, or by its first lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from etl.errors import JobError
from etl.source.access_log.apache import apache_parts
from etl.source.access_log.cut import cut
from etl.source.access_log.json_keys import JsonKeys, fits, json_keys
from etl.source.access_log.json_text import with_json_escapes, without_prefix
from etl.source.access_log.known import LINE_FORMATS, NAMED_ONLY, NAMES, known_layout, real_name
from etl.source.access_log.layout import Field, Layout, Variable, layout_of
from etl.source.access_log.nginx import nginx_parts, plain
from etl.source.access_log.octets import Block
from etl.source.access_log.sample import Sample, sample_of, shown
from etl.source.access_log.w3c_file import cut_run, runs
from etl.source.access_log.w3c_layout import Directives, W3cLayout, headless
from etl.source.inputs import Input

#: A more special format is meant when so much less of the lines fits it than the most general one.
_MARGIN = 0.05
_LEAST = 0.5
_GIVEN = "as given"
#: Columns whose text is the client's.
_CLIENTS = frozenset({"user", "target", "path", "query", "referrer", "user_agent", "vhost", "cookie"})
_DIRECTIVES = (b"#Fields:", b"#Version:", b"#Software:", b"#Date:")


@dataclass(frozen=True, slots=True)
class W3c:
    """The W3C extended format; `layout` is that of lines before any directive."""

    layout: W3cLayout | None


@dataclass(frozen=True, slots=True)
class Detected:
    """A format, and how sure that is: `share` of the first `rows` lines fit. `more`: the file has further lines.

    `prefixed`: something stands before each JSON object.
    """

    name: str
    form: Layout | W3c | JsonKeys
    share: float = 0.0
    rows: int = 0
    more: bool = False
    prefixed: bool = False

    @property
    def keyed(self) -> bool:
        """True where the columns are known only when all has been read: JSON."""
        return isinstance(self.form, JsonKeys)

    @property
    def given(self) -> bool:
        """True where the format is the job's own format string, and has no name."""
        return self.name == _GIVEN

    @property
    def note(self) -> str:
        """A line for people: which format, how sure."""
        if not self.rows:
            return f"log format: {self.name} (no line to tell by)"
        # Rounded down: 100% says that all fit.
        return f"log format: {self.name} ({int(self.share * 100)}% of {self.lines})"

    @property
    def lines(self) -> str:
        """How many lines were looked at, in words."""
        return f"the first {self.rows:,} lines" if self.more else f"{self.rows:,} line{'s' * (self.rows != 1)}"


def detect_log(inputs: Sequence[Input], encoding: str, log_format: str | None) -> Detected:
    """Return the format of the inputs, by `log_format` (a name, a format string, auto) and the first lines.

    Raises JobError (exit 2) for a format string that cannot be read, and where `auto` finds nothing that fits half of
    the lines; InputError for a file that cannot be read.
    """
    given = real_name(log_format or "auto")
    custom = _custom(log_format) if given is None and log_format is not None else None
    sample = sample_of(inputs, encoding)
    if sample is None:
        return custom or _named(given or "auto", None)
    if custom is not None:
        return _judged(custom, sample)
    if given is not None and given != "auto":
        return _judged(_named(given, sample), sample)
    found = [_judged(candidate, sample) for candidate in _candidates(sample)]
    best = max(found, key=lambda one: one.share)
    if best.share >= _LEAST and best.name in NAMED_ONLY:
        raise JobError(
            f"source.log_format: {sample.item.shown} has the format {best.name}, in which few lines are of visitors",
            hint=f"Write `log_format: {best.name}`, and `filters` for the lines that are of programs.",
        )
    if best.share < _LEAST:
        near = f" ({best.name} fits {int(best.share * 100)}% of {best.lines})" if best.share else ""
        raise JobError(
            f"source.log_format: no format known here fits {sample.item.shown}{near}; it begins: {shown(sample.first)}",
            hint=f"Write `log_format:` with the server's own format string (nginx's log_format, Apache's LogFormat), "
            f"or one of {', '.join(NAMES[1:])}.",
        )
    return next(one for one in found if one.share >= best.share - _MARGIN)


def require_fit(found: Detected) -> None:
    """Raise JobError for a format that no line of the start of the inputs fits."""
    if found.rows and not found.share:
        raise JobError(
            f"source.log_format: no line of {found.lines} fits the format {found.name}",
            hint="Write the server's own format string, as it was when the log was written, or `log_format: auto`.",
        )


def looks_like_log(item: Input, encoding: str) -> bool:
    """Return whether the first line of a file is of an access log. Raises InputError."""
    sample = sample_of([item], encoding, 1)
    if sample is None:
        return False
    line = sample.first
    return line.startswith(_DIRECTIVES) or any(_judged(one, sample).share for one in _candidates(sample))


def _candidates(sample: Sample) -> Iterator[Detected]:
    """Yield the formats with a name, the more special first."""
    yield _named("json", sample)
    yield _named("w3c", sample)
    if b"\t" in sample.first:
        yield _named("cloudfront", sample)
    for name in LINE_FORMATS:
        yield _named(name, sample)


def _named(name: str, sample: Sample | None) -> Detected:
    if name == "json":
        return Detected(name, JsonKeys({}))
    if name == "w3c":
        return Detected(name, W3c(None))
    if name == "cloudfront":
        return Detected(name, W3c(headless(sample.first.count(b"\t") + 1) if sample is not None else None))
    return Detected(name, known_layout("common" if name == "auto" else name))


def _custom(text: str) -> Detected:
    """Return the format of a format string, whosoever's it is."""
    stripped = text.strip()
    if stripped.lower().startswith("#fields:"):
        directives = Directives(None)
        directives.take(stripped)
        if directives.layout is None:
            raise JobError("source.log_format: no field stands behind #Fields")
        return Detected(_GIVEN, W3c(directives.layout))
    if "$" in plain(stripped):
        if plain(stripped).lstrip().startswith("{"):
            return Detected(_GIVEN, json_keys(stripped))
        return Detected(_GIVEN, _given_layout(nginx_parts(stripped)))
    if "%" in stripped or stripped.lower().startswith("logformat "):
        return Detected(_GIVEN, _given_layout(apache_parts(stripped)))
    near = get_close_matches(stripped.lower(), NAMES, n=1)
    guess = f"Did you mean `{near[0]}`? " if near else ""
    raise JobError(
        f"source.log_format: {shown(stripped.encode())!r} is neither the name of a format nor a format string",
        hint=f"{guess}Expected one of {', '.join(NAMES)}, or the server's own format string.",
    )


def _given_layout(parts: list[str | Variable]) -> Layout:
    """Return the layout of a format string: its lines may have no client, and further fields where that hides nothing."""
    any_client = [
        replace(part, kind="peer") if isinstance(part, Variable) and part.kind == "host" else part for part in parts
    ]
    layout = layout_of(any_client)
    return replace(layout, tail=_may_grow(layout))


def _may_grow(layout: Layout) -> bool:
    """Return whether further fields behind the last one are told from words of a field before.

    A text of the client's that stands without quotes may hold blanks. Its further words push the fields behind it to the
    end of the line, unless a bracket, a quote or the like stands between.
    """
    free = [
        index
        for index, field in enumerate(layout.fields)
        if field.around == "bare" and (field.column in _CLIENTS or _is_clients(field))
    ]
    return not free or any(literal.strip() for literal in layout.literals[free[-1] + 1 :])


def _is_clients(field: Field) -> bool:
    """Return whether a column beside the vocabulary is of a header, a cookie or a parameter."""
    listed = field.kind == "list" and not field.column.startswith("upstream_")
    return listed or field.column.startswith(("cookie_", "arg_"))


def _judged(candidate: Detected, sample: Sample) -> Detected:
    """Return a candidate with the share of the sample's lines that fit it."""
    judge: Callable[[Detected, Sample], tuple[int, int]] = _of_lines
    if isinstance(candidate.form, W3c):
        judge = _of_w3c
    elif isinstance(candidate.form, JsonKeys):
        judge = _of_json
    good, rows = judge(candidate, sample)
    named = replace(candidate, share=good / rows if rows else 0.0, rows=rows, more=sample.more)
    if isinstance(candidate.form, JsonKeys):
        first = sample.first
        return replace(named, prefixed=good > 0 and without_prefix(first) != first)
    if isinstance(candidate.form, W3c) and b"x-edge-location" in bytes(sample.block.data):
        return replace(named, name="cloudfront")
    return named


def _of_lines(candidate: Detected, sample: Sample) -> tuple[int, int]:
    block = sample.block
    if not isinstance(candidate.form, Layout):
        raise TypeError(candidate.name)
    wanted = ~block.blank()
    wanted[block.misread()] = False
    return int(cut(block, candidate.form, wanted).fits.sum()), sample.rows


def _of_w3c(candidate: Detected, sample: Sample) -> tuple[int, int]:
    block: Block = sample.block
    if not isinstance(candidate.form, W3c):
        raise TypeError(candidate.name)
    good = rows = 0
    for layout, run in runs(block, Directives(candidate.form.layout)):
        rows += int(run.sum())
        good += int(np.count_nonzero(cut_run(block, layout, run)[1])) if layout is not None else 0
    return good, rows


def _of_json(candidate: Detected, sample: Sample) -> tuple[int, int]:
    given = isinstance(candidate.form, JsonKeys) and candidate.form.given
    good = 0
    for index in range(len(sample.block.starts)):
        line = without_prefix(sample.block.line(index))
        if line.startswith(b"{"):
            try:
                value = json.loads(with_json_escapes(line))
            except (ValueError, RecursionError):
                continue
            good += bool(given) or fits(value)
    return good, sample.rows
