"""A format whose lines are fields with fixed text between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl.errors import JobError
from etl.source.access_log.strftime import time_form
from etl.source.access_log.vocabulary import DURATIONS, EXTRA, VOCABULARY, Kind
from etl.source.names import Names
from etl.tables import PLACE

#: Kinds that are read only for their role.
_TO_READ = DURATIONS | {"strftime"}

#: Added to the rank of a time at which an answer ended: the one at which the request began goes before it.
AT_THE_END = 10

#: The columns of what HAProxy captures: a line with one pair of braces does not say whose headers they are.
CAPTURED = ("captured_request_headers", "captured_response_headers")


@dataclass(frozen=True, slots=True)
class Variable:
    """A directive of a format string: `own` is the column where no `role` (a word of the vocabulary) is its.

    Of several for one role the lowest `rank` has it. `form` is a `strftime` format.
    """

    own: str
    kind: Kind = "text"
    role: str | None = None
    rank: int = 0
    form: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a line. `plain`: it stays as written, since another field has its role.

    `around` is what it stands in: quotes, brackets, blanks (`bare`), or other text (`open`).
    """

    column: str
    kind: Kind
    around: str = "bare"
    form: str | None = None
    plain: bool = False

    @property
    def quoted(self) -> bool:
        """True where the field stands in quotes: a backslash in it escapes."""
        return self.around == "quotes"


@dataclass(frozen=True, slots=True)
class Layout:
    """`literals` is the text before each field, and that after the last.

    `peeks` are the literals (by index) that are the start of the next field too. `tail`: further fields may follow; the
    first ones become the columns `more`, the others the column `extra`. `clock` is the field (by index) with the clock of
    the time whose day stands in the column `time`. `prefixed`: syslog may have written something before each line.
    """

    fields: tuple[Field, ...]
    literals: tuple[bytes, ...]
    peeks: frozenset[int] = frozenset()
    tail: bool = False
    more: tuple[str, ...] = ()
    clock: int | None = None
    prefixed: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns beside the vocabulary, in their order."""
        own = [field.column for field in self.fields if field.column not in VOCABULARY]
        ports = [port_of(field.column) for field in self.fields if field.kind in ("pair", "vhost") and not field.plain]
        captured = CAPTURED if any(field.kind == "captures" for field in self.fields) else ()
        more = [name for name in self.more if name not in VOCABULARY]
        return [*own, *ports, *captured, *more, *([EXTRA] if self.tail else [])]


def port_of(column: str) -> str:
    """Return the column of the port that stands behind an address or a name."""
    return {"host": "client_port", "vhost": "server_port"}.get(column, f"{column}_port")


def layout_of(parts: Sequence[str | Variable], *, tail: bool = False, more: Sequence[str] = ()) -> Layout:
    """Return the layout of a format's parts, texts and variables as they follow each other.

    Raises JobError (`source.log_format`) for two fields that nothing parts, or none at all, and for a time that names no
    day.
    """
    variables: list[Variable] = []
    texts = [""]
    for part in _merged(parts):
        if isinstance(part, str):
            texts[-1] += part
        else:
            variables.append(part)
            texts.append("")
    if not variables:
        raise JobError("source.log_format: the format string names no field")
    peeks: set[int] = set()
    for index in range(1, len(variables)):
        if not texts[index]:
            if variables[index].kind != "target":
                raise JobError(
                    f"source.log_format: nothing stands between {variables[index - 1].own} and {variables[index].own}, "
                    "so where one ends cannot be told",
                    hint="Such a log cannot be read as rows; put a blank between them for the days to come.",
                )
            texts[index] = "/"
            peeks.add(index)
    variables, clock = _day_and_clock(variables)
    fields = [
        _placed(field, before, after)
        for field, before, after in zip(_named(variables), texts[:-1], texts[1:], strict=True)
    ]
    literals = tuple(text.encode() for text in texts)
    return Layout(tuple(fields), literals, frozenset(peeks), tail, tuple(more), clock)


def _placed(field: Field, before: str, after: str) -> Field:
    """Return a field with what it stands in, and the kind that it can only have there."""
    around = _around(before, after)
    kind = field.kind
    if kind == "list" and around != "bare":
        kind = "text"  # ends where the text behind it begins
    elif kind == "user":
        kind = "text" if around != "bare" else "words" if after.strip() else "user"
    return replace(field, around=around, kind=kind)


def _around(before: str, after: str) -> str:
    if before.endswith('"') and after.startswith('"'):
        return "quotes"
    if before.endswith("[") and after.startswith("]"):
        return "brackets"
    return "bare" if not after or after[0] == " " else "open"


def _merged(parts: Sequence[str | Variable]) -> list[str | Variable]:
    """Join what makes one field: a path with the query right behind it, and the pieces of a time."""
    merged: list[str | Variable] = []
    for part in parts:
        if part == "":
            continue
        last = merged[-1] if merged else None
        if isinstance(part, Variable) and isinstance(last, Variable) and part.kind == "query" and last.role == "path":
            merged[-1] = Variable("target", "target", "target", 1)
        elif isinstance(part, Variable) and part.kind == "strftime" and (at := _time_before(merged, part)) is not None:
            before = merged[at]
            between = "".join(text for text in merged[at + 1 :] if isinstance(text, str))
            if isinstance(before, Variable):
                merged[at:] = [replace(before, form=f"{before.form}{between.replace('%', '%%')}{part.form}")]
        else:
            merged.append(part)
    return [_known_time(part) if isinstance(part, Variable) else part for part in merged]


def _time_before(parts: Sequence[str | Variable], piece: Variable) -> int | None:
    """Return where the time stands that what follows may be a piece of: `%{...}t.%{msec_frac}t`."""
    at = len(parts) - 1
    while at >= 0 and isinstance(parts[at], str):
        at -= 1
    part = parts[at] if at >= 0 else None
    short = sum(len(text) for text in parts[at + 1 :] if isinstance(text, str)) <= 1
    pieced = isinstance(part, Variable) and part.kind == "strftime"
    same = isinstance(part, Variable) and (part.rank >= AT_THE_END) == (piece.rank >= AT_THE_END)
    return at if pieced and short and same else None


def _known_time(part: Variable) -> Variable:
    """Return a time of a `strftime` format by the quicker kind that it is, where it is."""
    if part.kind != "strftime" or part.form is None:
        return part
    if part.form in ("%s", "%s%f", "%s.%f"):
        return replace(part, kind="epoch", form=None)
    if part.form in ("%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%T %z"):
        return replace(part, kind="clf", form=None)
    return part


def _day_and_clock(variables: list[Variable]) -> tuple[list[Variable], int | None]:
    """Return the variables, a time without a day or a clock being no time of its own, and where the clock of a day is."""
    times = [at for at, one in enumerate(variables) if one.role == "time"]
    forms = {at: time_form(variables[at].form or "") for at in times if variables[at].kind == "strftime"}
    halves = [at for at, form in forms.items() if not (form.has_day and form.has_clock)]
    if not halves:
        return variables, None
    days = [at for at in halves if forms[at].has_day]
    clocks = [at for at in halves if forms[at].has_clock]
    clock = None
    if len(halves) < len(times):
        days = []  # another time is whole
    elif not days:
        raise JobError(
            f"source.log_format: the time {variables[halves[0]].form!r} names no day",
            hint="Expected %Y-%m-%d, %F, %d/%b/%Y, %D or %s in it, or in a time of its own.",
        )
    elif clocks:
        clock = clocks[0]
    elif any("%I" in (variables[at].form or "") or "%l" in (variables[at].form or "") for at in halves):
        raise JobError(
            f"source.log_format: in the time {variables[halves[0]].form!r} %I has no %p: morning or evening is not told",
            hint="Expected %I with %p, or %H.",
        )
    lone = set(halves) - set(days[:1])
    return [replace(one, role=None) if at in lone else one for at, one in enumerate(variables)], clock


def _named(variables: Sequence[Variable]) -> list[Field]:
    """Give each role to the variable of the lowest rank, every other one its own name."""
    best: dict[str, int] = {}
    for at, variable in enumerate(variables):
        role = variable.role
        if role is not None and (role not in best or variable.rank < variables[best[role]].rank):
            best[role] = at
    # Parts of what another field says whole are not said twice.
    if "target" in best:
        whole = ("method", "protocol") if variables[best["target"]].kind == "request" else ()
        for role in ("path", "query", *whole):
            best.pop(role, None)
    roles = {at: role for role, at in best.items()}
    own = Names(reserved=(*PLACE.names, *VOCABULARY, EXTRA))
    names = iter(own.of_file([v.own for at, v in enumerate(variables) if at not in roles]))
    fields = []
    for at, variable in enumerate(variables):
        column = roles[at] if at in roles else next(names)
        # Without its role a time or a duration stays as its server wrote it.
        plain = at not in roles and (variable.role is not None or variable.kind in _TO_READ)
        fields.append(Field(column, variable.kind, form=variable.form, plain=plain))
    return fields
