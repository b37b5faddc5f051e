"""The mistakes between keys of a job, which no single key can see.

All work on the file as read, so that they are told together with the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from etl.job import checks, lookups
from etl.job.event import OF_LINES, own_keys
from etl.job.locators import LOCATORS
from etl.job.mistakes import near
from etl.job.section import Fault
from etl.job.shown import shown
from schemas import TYPES

_CSV_ONLY = ("delimiter", "encoding", "decimal", "columns", "quote", "escape", "null", "skip")
# NDJSON and logs may be written in another encoding too, and hold numbers as texts with a comma.
_TEXT_TOO = ("encoding", "decimal")


def source(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield keys of the source that do not go with its format."""
    form = raw.get("format")
    if form is None and raw.get("log_format") is not None:
        form = "access_log"
    for key in _CSV_ONLY:
        if raw.get(key) is not None and form not in ("csv", None) and not (key in _TEXT_TOO and form != "parquet"):
            yield Fault((key,), f"the format {form} has no `{key}`; leave it out")
    if raw.get("log_format") is not None and form != "access_log":
        yield Fault(("log_format",), f"the format {form} has no `log_format`; it is for access_log")
    if raw.get("explode") is not None and form in ("csv", "access_log"):
        yield Fault(("explode",), f"the format {form} has no lists; `explode` is for ndjson and parquet")
    if raw.get("delimiter") is not None and raw.get("delimiter") == raw.get("decimal", "."):
        yield Fault(("delimiter",), f"`delimiter` and `decimal` are both {shown(raw['delimiter'])}")


def dedupe(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Return a dedupe rule in the shape of the model: `by` and `key` are its fields."""
    expected = "expected exact, {window: 30m, by: [...], keep: first} or {key: [...], keep: last}"
    if "kind" in raw:
        return {}, [] if raw["kind"] == "exact" else [Fault((), f"{expected}, found {shown(raw['kind'])}")]
    window, key = raw.get("window") is not None, raw.get("key") is not None
    faults: list[Fault] = []
    if window == key:
        faults.append(
            Fault((), f"{expected}, found {'both a window and a key' if window else 'neither a window nor a key'}")
        )
    if window and not key and raw.get("by") is None:
        faults.append(
            Fault(("by",), "is missing; expected the fields that make events alike, or [] for any event of the type")
        )
    if raw.get("by") is not None and not window:
        faults.append(Fault(("by",), "`by` goes with `window`; a key names its fields itself"))
    if faults:
        return {}, faults
    shaped = (
        {"kind": "window", "fields": raw["by"], "window": raw["window"]}
        if window
        else {"kind": "key", "fields": raw["key"]}
    )
    return shaped | ({"keep": raw["keep"]} if raw.get("keep") is not None else {}), []


def inherit_times(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the job with its events' own times completed: what one leaves open comes from the job's."""
    ours, events = raw.get("time"), raw.get("events")
    if not isinstance(ours, Mapping) or not isinstance(events, list | tuple):
        return raw
    raw = lookups.inherit_zone(raw, ours)
    inherited = {key: ours[key] for key in ("zone", "format") if isinstance(ours.get(key), str)}
    try:
        checks.zone(inherited.get("zone", "UTC"))
    except ValueError:
        inherited.pop("zone")  # told once, where it stands

    def complete(event: object) -> object:
        own = event.get("time") if isinstance(event, Mapping) else None
        if own is None or isinstance(own, bool | list) or not isinstance(event, Mapping):
            return event
        mapping = own if isinstance(own, Mapping) else {"column": own}
        return {**event, "time": {**inherited, **mapping}}

    return {**raw, "events": [complete(event) for event in events]}


def job(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the mistakes between a job's events and the rest of it."""
    events = raw.get("events")
    rules = list(enumerate(events)) if isinstance(events, list | tuple) else []
    mappings = [(i, rule) for i, rule in rules if isinstance(rule, Mapping)]
    yield from _anonymous(raw, mappings)
    yield from _dedupes(raw.get("dedupe"), [rule for _, rule in mappings])
    yield from _time_param(raw.get("delivery"), [rule for _, rule in mappings])
    yield from _past_events(raw, mappings)
    yield from lookups.faults(raw)


def _past_events(raw: Mapping[str, Any], rules: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Fault]:
    """Yield events without a time where the method must say when each occurred (api-facts §1)."""
    delivery = raw.get("delivery")
    if not isinstance(delivery, Mapping) or delivery.get("method") != "past_events" or raw.get("time") is not None:
        return
    untimed = [i for i, rule in rules if rule.get("time") is None]
    words = "past_events says when each event occurred; give `time: {column: ...}`"
    if len(untimed) == len(rules) and rules:
        yield Fault(("time",), f"is missing; {words}")
    else:
        yield from (Fault(("events", i, "time"), f"is missing; {words}") for i in untimed)


def _anonymous(raw: Mapping[str, Any], rules: list[tuple[int, Mapping[str, Any]]]) -> Iterator[Fault]:
    """Yield events with neither a locator nor a keyValue, which the API does not accept (API text, keyValue)."""

    def known(mapping: Mapping[str, Any]) -> bool:
        contact = mapping.get("contact")
        given = any(v is not None for v in contact.values()) if isinstance(contact, Mapping) else contact is not None
        return given or mapping.get("key_value") is not None

    def bare(rule: Mapping[str, Any]) -> bool:
        own = "contact" in rule and rule["contact"] is not None
        return not (known(rule) or (raw.get("key_value") is not None if own else known(raw)))

    lost = [i for i, rule in rules if bare(rule)]
    words = f"the API takes no event without a contact; give one or more of {', '.join(LOCATORS)}, or `key_value`"
    if rules and len(lost) == len(rules) and not any("contact" in rule for _, rule in rules):
        yield Fault(("contact",), f"is missing; {words}")
    else:
        yield from (Fault(("events", i, "contact"), f"is missing; {words}") for i in lost)


def _mapping(value: object) -> dict[str, Any]:
    return {str(k): v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else {}


def _fields(rules: list[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """Return the names by which `dedupe` may call the values of one type's rules, and those that mean two things.

    The fields of the part count as long as each event has one part: an event of several lines has no one product.
    """
    inside: set[str] = set()
    beside: set[str] = set()
    folds = False
    for rule in rules:
        spec = TYPES.get(str(rule.get("type")))
        part = _mapping(rule.get(str(spec.part))) if spec else {}
        folds = folds or "each" in part or any(rule.get(key) is not None for key in OF_LINES if key != "repeats")
        inside |= set(part) - {"each"}
        beside |= set(_mapping(rule.get("params")))
        if spec is not None:
            # That a required field is missing is told at the event.
            inside |= {f.name for f in spec.fields if f.required}
            beside |= {s.name for s in spec.scalars if s.required or rule.get(s.name) is not None}
    return (beside, set()) if folds else (inside | beside, inside & beside)


def _dedupes(raw: object, rules: list[Mapping[str, Any]]) -> Iterator[Fault]:
    """Yield rules of `dedupe` for types that no event has, or by fields that no rule of the type maps."""
    if not isinstance(raw, Mapping):
        return
    names_of = dict.fromkeys(str(rule.get("type")) for rule in rules)
    types = {name: _fields([rule for rule in rules if str(rule.get("type")) == name]) for name in names_of}
    for name, value in raw.items():
        if name != "default" and name not in types:
            yield Fault(
                ("dedupe", str(name)),
                f"no event has this type{near(str(name), types, 'expected ' + ', '.join(['default', *types]))}",
            )
            continue
        if not isinstance(value, Mapping):
            continue
        meant = [t for t in types if t not in raw] if name == "default" else [str(name)]
        key = "by" if "by" in value else "key"
        names = value.get(key)
        many = isinstance(names, list | tuple)
        for position, field in enumerate(
            names if isinstance(names, list | tuple) else [names] if names is not None else []
        ):
            where = ("dedupe", str(name), key, *((position,) if many else ()))
            for event_type in meant:
                known = sorted(types[event_type][0])
                if str(field) in types[event_type][1]:
                    yield Fault(where, f"{event_type} has a field and a parameter {shown(field)}; rename the parameter")
                if str(field) in known:
                    continue
                hint = near(str(field), known, f"it has {', '.join(known)}" if known else "it has none")
                yield Fault(where, f"no rule of {event_type} maps a field {shown(field)}{hint}")


def _time_param(delivery: object, rules: list[Mapping[str, Any]]) -> Iterator[Fault]:
    """Yield a `time_param` that an event has already: the names of its parameters are unique (api-facts §1)."""
    name = delivery.get("time_param") if isinstance(delivery, Mapping) else None
    if not isinstance(name, str):
        return
    for rule in rules:
        params = rule.get("params")
        if name in own_keys(rule) or (isinstance(params, Mapping) and name in params):
            yield Fault(
                ("delivery", "time_param"),
                f"{rule.get('type')} has a parameter {shown(name)} already; choose another name",
            )
            return
