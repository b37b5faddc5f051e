"""The job file as models (DESIGN, The job file; defaults of RULES §7): what every room may know of a job.

Frozen; what YAML writes in short forms stands here in full: durations as timedelta, shares as fractions, rates as
requests a second.
Expressions (`Expr`) are SQL texts that nobody has checked yet against the columns of the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr

from etl.job import checks, cross, mistakes
from etl.job.event import OF_LINES, own_keys, shape_event, unknown_key
from etl.job.filters import filters_of, is_ready
from etl.job.locators import Locator
from etl.job.mistakes import Mistake, Where
from etl.job.section import Fault, Section
from etl.job.values import Duration, Expr, Exprs, Flag, Rate, Share, Size, Span, Text, Whole, texts
from schemas import TYPES

ColumnType = Literal["int", "decimal", "float", "bool", "text", "date", "timestamp"]

_Texts = Annotated[tuple[Text, ...], BeforeValidator(texts)]
_Exprs = Annotated[tuple[Expr, ...], BeforeValidator(texts)]


class Source(Section):
    """Where the rows come from and how their files are written."""

    title: ClassVar[str] = "a mapping with `path`"

    path: Annotated[tuple[str, ...], BeforeValidator(checks.paths)] = Field(
        description="a file, folder or glob, or a list of them"
    )
    format: Literal["csv", "parquet", "ndjson", "access_log"] | None = None
    types: dict[str, ColumnType] = Field(default={}, description="a mapping of columns to types")
    delimiter: Annotated[str, BeforeValidator(checks.delimiter)] | None = None
    encoding: Annotated[str, BeforeValidator(checks.encoding)] = "utf-8"
    decimal: Annotated[str, BeforeValidator(checks.decimal)] = "."
    columns: Annotated[tuple[str, ...], BeforeValidator(checks.columns)] | None = None
    quote: Annotated[str, BeforeValidator(checks.quote)] | None = None
    escape: Annotated[str, BeforeValidator(checks.quote)] | None = None
    null: Annotated[tuple[str, ...], BeforeValidator(checks.nulls)] | None = None
    skip: Annotated[int | str, BeforeValidator(checks.skip)] = 0
    explode: Text | None = Field(default=None, description="the name of a column that holds lists")
    missing: Literal["error", "skip"] = "error"
    log_format: Text | None = Field(
        default=None, description="auto, the name of a log's format, or the server's own format string"
    )

    @classmethod
    def _shape(cls, raw: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        return raw, list(cross.source(raw))


class Time(Section):
    """How the time of an event is read. `column` is any expression; `zone` is for times that carry none."""

    title: ClassVar[str] = "an expression, or a mapping with `column`"

    column: Expr = Field(description="a column or an SQL expression")
    zone: Annotated[str, BeforeValidator(checks.zone)] = "UTC"
    format: Annotated[str | None, BeforeValidator(checks.time_format)] = Field(
        default=None, description="a format such as '%d.%m.%Y %H:%M'"
    )

    @classmethod
    def _open(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str | int | float) and not isinstance(value, bool) else value


class Lookup(Section):
    """A small table beside the rows, joined one to one: a row finds its partner where `on` is the partner's `key`.

    `key`, `where` and `as_of` are expressions over the lookup's own table, `on` over the row. With `as_of` the partner is the newest one
    at or before the time of the event.
    """

    title: ClassVar[str] = "a mapping with `path`, `key` and `on`"

    path: Annotated[tuple[str, ...], BeforeValidator(checks.paths)] = Field(
        description="a file, folder or glob, or a list of them"
    )
    key: Expr = Field(description="a column of the lookup's own table, or an SQL expression over it")
    on: Expr = Field(description="an SQL expression over the row, which finds the key")
    where: Expr | None = None
    as_of: Time | None = None
    keep: Literal["error", "first", "last"] = "error"
    format: Literal["csv", "parquet", "ndjson"] | None = None
    types: dict[str, ColumnType] = Field(default={}, description="a mapping of columns to types")
    delimiter: Annotated[str, BeforeValidator(checks.delimiter)] | None = None
    encoding: Annotated[str, BeforeValidator(checks.encoding)] = "utf-8"
    decimal: Annotated[str, BeforeValidator(checks.decimal)] = "."
    columns: Annotated[tuple[str, ...], BeforeValidator(checks.columns)] | None = None
    quote: Annotated[str, BeforeValidator(checks.quote)] | None = None
    escape: Annotated[str, BeforeValidator(checks.quote)] | None = None
    null: Annotated[tuple[str, ...], BeforeValidator(checks.nulls)] | None = None
    skip: Annotated[int | str, BeforeValidator(checks.skip)] = 0

    @classmethod
    def _shape(cls, raw: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        return raw, list(cross.source(raw))


class Contacts(Section):
    """Files of contacts, plain or as SHA-256: those never to send for, and the only ones to send for."""

    title: ClassVar[str] = "a mapping with `suppress` or `known`"

    suppress: Annotated[tuple[str, ...], BeforeValidator(checks.paths)] | None = None
    known: Annotated[tuple[str, ...], BeforeValidator(checks.paths)] | None = None


class EventRule(Section):
    """One rule that makes events of one type.

    In YAML the type's own keys stand beside `type`; here they are `part` and `scalars`. `part` is the mapping under
    `part_name` (page, product, category, products), `part_each` the list of a row that holds the products; None for
    types that have no part. `time` is complete: what an event's own time leaves open comes from the job's.
    """

    title: ClassVar[str] = "a mapping with `type`"

    type: Annotated[str, BeforeValidator(checks.event_type)] = Field(
        description="an event type, for example pageViewed"
    )
    custom: Flag = False
    where: Expr | None = None
    each: Expr | None = None
    time: Time | None = None
    contact: Annotated[dict[Locator, Expr], BeforeValidator(checks.contact)] | None = None
    key_value: Expr | None = None
    id: Expr | None = None
    params: Exprs = Field(default={})
    lines: _Exprs | None = None
    cleared: Expr | None = None
    repeats: Literal["drop", "keep"] = "drop"
    part_name: str | None = None
    part: Exprs | None = None
    part_each: Expr | None = None
    scalars: dict[str, Expr] = Field(default={})

    @property
    def many(self) -> bool:
        """True where one event may hold several lines (RULES §4)."""
        return self.type in TYPES and TYPES[self.type].many

    @classmethod
    def _keys(cls, raw: Mapping[str, Any]) -> tuple[str, ...]:
        shaped = ("part_name", "part", "part_each", "scalars", *OF_LINES)
        return (*(k for k in cls.model_fields if k not in shaped), *own_keys(raw))

    @classmethod
    def _unknown(cls, key: str, raw: Mapping[str, Any], known: tuple[str, ...]) -> str:
        return unknown_key(key, raw, known)

    @classmethod
    def _shape(cls, raw: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        return shape_event(raw)

    @classmethod
    def _place(cls, where: Where, raw: Mapping[str, Any]) -> Where:
        match where:
            case ("part", *rest):
                return (str(raw["part_name"]), *rest)
            case ("part_each", *rest):
                return (str(raw["part_name"]), "each", *rest)
            case ("scalars", *rest):
                return tuple(rest)
        return where


class Dedupe(Section):
    """How events of one type and keyValue count as the same: equal, in one window, or alike in a key.

    `fields` are those of `by` and of `key`: fields of the part, scalars and parameters, by their names in the event.
    """

    title: ClassVar[str] = "exact, {window: 30m, by: [...], keep: first} or {key: [...], keep: last}"

    kind: Literal["exact", "key", "window"] = "exact"
    fields: _Texts = ()
    window: Span | None = None
    keep: Literal["first", "last"] = "first"

    @classmethod
    def _keys(cls, raw: Mapping[str, Any]) -> tuple[str, ...]:
        return ("kind",) if "kind" in raw else ("window", "by", "key", "keep")

    @classmethod
    def _open(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value

    @classmethod
    def _shape(cls, raw: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        return cross.dedupe(raw)

    @classmethod
    def _place(cls, where: Where, raw: Mapping[str, Any]) -> Where:
        match where:
            case ("kind",):
                return ()
            case ("fields", *rest):
                return ("by" if raw.get("kind") == "window" else "key", *rest)
        return where


class Expect(Section):
    """The least that a day's input must hold; less than this and nothing is sent."""

    title: ClassVar[str] = "a mapping with `rows` and `events`"

    rows: Whole | None = Field(default=None, ge=0, description="a whole number of rows")
    events: Whole | None = Field(default=None, ge=0, description="a whole number of events")


class Bulk(Section):
    """A counted group of events with a pause after it."""

    title: ClassVar[str] = "a mapping with `size` and `pause`"

    size: Whole = Field(ge=1, description="a whole number of events")
    pause: Duration = Field(description="a duration such as 2s")


class Delivery(Section):
    """Where the events go and how fast (DESIGN, delivery; RULES §6, §7)."""

    title: ClassVar[str] = "a mapping with `api`"

    api: Annotated[str, BeforeValidator(checks.api)] = Field(
        description="sandbox or an address such as https://esputnik.com/api"
    )
    api_key_env: Annotated[str, BeforeValidator(checks.api_key_env)] = "ESPUTNIK_API_KEY"
    account: Text | None = None
    method: Literal["event", "past_events"] = "event"
    batch: Whole = Field(default=500, ge=1, le=500)
    batch_bytes: Size = 1_000_000
    occurred_zone: Annotated[str, BeforeValidator(checks.zone)] | None = None
    time_param: Annotated[str, BeforeValidator(checks.time_param)] | None = None
    ca: Annotated[str, BeforeValidator(checks.ca)] | None = None
    rate: Rate = 50.0
    concurrency: Whole = Field(default=16, ge=1, le=256)
    bulk: Bulk | None = None
    timeout: Span = timedelta(seconds=30)
    give_up: Span = timedelta(hours=1)
    on_unknown: Literal["resend", "hold"] = "resend"
    window: Annotated[str, BeforeValidator(checks.window)] | None = None
    max_age: Span = timedelta(days=3)
    stale: Literal["stop", "drop", "send"] = "stop"
    max_per_contact: Whole | None = Field(default=None, ge=1)
    max_rejected: Share = 0.01
    late_carts: Literal["drop", "send"] = "drop"

    @classmethod
    def _unknown(cls, key: str, raw: Mapping[str, Any], known: tuple[str, ...]) -> str:
        if key.lower().replace("-", "_") in ("api_key", "apikey", "key", "token", "password", "secret"):
            return (
                "a key never stands in a job file: put it into an environment variable, and name that with `api_key_env` "
                "(default ESPUTNIK_API_KEY); replace a key that stood here"
            )
        return super()._unknown(key, raw, known)

    @property
    def sandbox(self) -> bool:
        """True where the events go to the built-in stand-in."""
        return self.api == "sandbox"


class Ledger(Section):
    """How long it is remembered what was sent (RULES §10).

    `keep` is by the time of the events, None for ever; `older` is what becomes of events from before what is remembered.
    """

    title: ClassVar[str] = "a mapping with `keep`"

    keep: Span | None = None
    older: Literal["stop", "drop", "send"] = "stop"


class Job(Section):
    """A job file. `read_job` makes it; `path`, `folder` and `line` say where it stands."""

    title: ClassVar[str] = "a mapping of keys such as job, source, events and delivery"

    job: Annotated[str, BeforeValidator(checks.job_name)] = Field(
        description="the job's name, for example shop-nightly"
    )
    source: Source = Field(description="a mapping with `path`: where the rows come from")
    transform: Annotated[str, BeforeValidator(checks.transform)] | None = None
    let: Annotated[dict[str, str], BeforeValidator(checks.let)] = Field(default={})
    lookups: dict[str, Lookup] = Field(default={}, description="a mapping of names to tables")
    filters: Annotated[dict[str, Any], BeforeValidator(filters_of)] = Field(default={})
    contacts: Contacts | None = None
    time: Time | None = None
    contact: Annotated[dict[Locator, Expr], BeforeValidator(checks.contact)] = Field(default={})
    key_value: Expr | None = None
    id: Expr | None = None
    drop_bad_locators: Flag = False
    events: Annotated[tuple[EventRule, ...], BeforeValidator(checks.not_empty)] = Field(
        description="a list of event rules, each with a `type`"
    )
    dedupe: dict[str, Dedupe] = Field(default={}, description="a mapping of event types (or `default`) to rules")
    expect: Expect = Expect()
    delivery: Delivery = Field(description="a mapping with `api`: where the events go")
    changed: Literal["stop", "send", "drop"] = "stop"
    ledger: Ledger = Ledger()
    max_invalid: Share = 0.05
    keep: Duration = timedelta(days=30)

    _path: Path = PrivateAttr(default=Path("job.yaml"))
    _lines: Mapping[str, int] = PrivateAttr(default_factory=dict)
    _overridden: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def _shape(cls, raw: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        return cross.inherit_times(raw), list(cross.job(raw))

    @classmethod
    def _unknown(cls, key: str, raw: Mapping[str, Any], known: tuple[str, ...]) -> str:
        sections: dict[str, type[Section]] = {
            "delivery": Delivery,
            "source": Source,
            "ledger": Ledger,
            "expect": Expect,
        }
        owner = next((name for name, section in sections.items() if key in section.model_fields), None)
        if owner is not None:
            return f"unknown key; did you mean `{owner}.{key}`? It belongs under `{owner}`"
        return super()._unknown(key, raw, known)

    @property
    def named_filters(self) -> dict[str, str]:
        """The filters that are expressions, in the file's order: where one is true a row falls out under its name."""
        return {name: value for name, value in self.filters.items() if not is_ready(name)}

    @property
    def row_filters(self) -> dict[str, object]:
        """The filters that rows fall out by, in the file's order: an expression each, or what a ready one takes."""
        return {name: value for name, value in self.filters.items() if name != "anonymous"}

    @property
    def gives_ids(self) -> bool:
        """True where the job itself says of some events what makes them the same (`id`): such ids say nothing of time."""
        return any((rule.id or self.id) is not None for rule in self.events)

    @property
    def drops_anonymous(self) -> bool:
        """True where matches with neither locator nor keyValue are filtered (`anonymous`), not invalid."""
        return self.filters.get("anonymous") is True

    @property
    def path(self) -> Path:
        """The job file."""
        return self._path

    @property
    def folder(self) -> Path:
        """Where the relative paths of the job start: the folder of its file."""
        return self._path.parent

    @property
    def lines(self) -> Mapping[str, int]:
        """The line of each key of the file, by dotted key (`events[1].product.price`)."""
        return self._lines

    def line(self, key: str) -> int | None:
        """Return the line of a key, or of the nearest key above it; None where `--set` gave it."""
        ways = [key[:end] for end in range(len(key), 0, -1) if end == len(key) or key[end] in ".["]
        if any(way in self._overridden for way in ways):
            return None
        return next((self._lines[way] for way in ways if way in self._lines), 1)

    def place(self, key: str) -> str:
        """Return where a key stands, as `jobs/shop.yaml:31: events[1].product.price`, or `--set KEY`."""
        return mistakes.place(self.path, self.line(key), key)

    def mistake(self, key: str, message: str) -> Mistake:
        """Return a mistake at a key, for JobMistakes."""
        return Mistake(self.line(key), key, message)

    def placed(self, path: Path, lines: Mapping[str, int], overridden: frozenset[str] = frozenset()) -> Self:
        """Return this job, knowing its file, the lines of its keys, and the keys that `--set` gave."""
        copy = self.model_copy()
        copy._path, copy._lines, copy._overridden = path, dict(lines), overridden
        return copy
