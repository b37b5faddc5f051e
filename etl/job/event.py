"""An event rule as YAML writes it, in the shape of the model: the type's own keys become `part` and `scalars`.

Which keys a type takes and which it must have come from `schemas.TYPES` (the tables of the API text).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from etl.job.locators import IDENTIFIERS
from etl.job.mistakes import near
from etl.job.section import Fault
from etl.job.shown import shown
from schemas import TYPES, EventType
from schemas.contact import PARAM_NAME_MAX

#: Types by which the API keeps a shop's orders.
ORDERS = ("orderCreated", "orderUpdated", "orderDelivered", "orderCancelled")
#: Keys that only types of several lines take.
OF_LINES = ("lines", "cleared", "repeats")


def own_keys(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that a rule's type adds to the common ones; of every type where there is no such type."""
    spec = TYPES.get(str(raw.get("type")))
    if spec is not None:
        return _keys_of(spec)
    if _is_custom(raw):
        return ()  # a type of one's own takes `params`
    return tuple(dict.fromkeys(key for one in TYPES.values() for key in _keys_of(one)))


def unknown_key(key: str, raw: Mapping[str, Any], known: Iterable[str]) -> str:
    """Return the words for a key that this rule does not take: another type's key says so."""
    kind = str(raw.get("type"))
    if key in OF_LINES:
        return f"{kind} has no lines; `{key}` is for {', '.join(t.name for t in TYPES.values() if t.many)}"
    owners = [t.name for t in TYPES.values() if key in _keys_of(t)]
    if owners:
        spec = TYPES.get(kind)
        takes = ", ".join(f"`{own}`" for own in _keys_of(spec)) if spec else "`params` only"
        return f"{kind} takes no `{key}` (that is of {', '.join(owners)}); it takes {takes}"
    return f"unknown key{near(key, known, 'a parameter of your own belongs under `params`')}"


def shape_event(raw: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """Return a rule in the shape of the model, with what is wrong between its keys."""
    shaped = dict(raw)
    faults = list(_type_faults(raw))
    spec = TYPES.get(str(raw.get("type")))
    for key in own_keys(raw):
        if key not in OF_LINES or spec is None:
            shaped.pop(key, None)
    if spec is not None:
        shaped["part_name"] = spec.part
        faults += _shape_part(spec, raw, shaped)
        faults += _shape_scalars(spec, raw, shaped)
    faults += _params_faults(spec, raw.get("params"))
    return shaped, faults


def _keys_of(spec: EventType) -> tuple[str, ...]:
    lines = OF_LINES if spec.many else ()
    return (*((spec.part,) if spec.part else ()), *(s.name for s in spec.scalars), *lines)


def _is_custom(raw: Mapping[str, Any]) -> bool:
    return raw.get("custom") is True


def _type_faults(raw: Mapping[str, Any]) -> Iterable[Fault]:
    kind = raw.get("type")
    if not isinstance(kind, str):
        return
    twin = next((name for name in TYPES if name.lower() == kind.lower()), None)
    order = next((name for name in ORDERS if name.lower() == kind.lower()), None)
    if kind in TYPES:
        if _is_custom(raw):
            yield Fault(("custom",), f"{kind} is one of the API's own types; leave `custom` out")
    elif order is not None:
        yield Fault(
            ("type",),
            f"{shown(kind)} is a type of the API ({order}: it makes or changes an order in the account); orders cannot be "
            "sent by this job: leave the rule out, or give your own event another name",
        )
    elif twin is not None:
        # The API would quietly create a second type beside its own.
        yield Fault(("type",), f"{shown(kind)} differs from the API's type `{twin}` by case only; write {twin}")
    elif not _is_custom(raw):
        hint = near(kind, TYPES, f"expected one of {', '.join(TYPES)}")
        yield Fault(("type",), f"{shown(kind)} is no type of the API{hint} (a type of your own needs `custom: true`)")


def _shape_part(spec: EventType, raw: Mapping[str, Any], shaped: dict[str, Any]) -> Iterable[Fault]:
    if spec.part is None:
        return
    required = [field.name for field in spec.fields if field.required]
    part = raw.get(spec.part)
    if part is None:
        if spec.many and raw.get("cleared") in (True, "true"):
            shaped["part"] = {}  # a rule that only clears carts has no products to map
            return
        yield Fault((spec.part,), f"is missing; {spec.name} needs it, with {', '.join(required)}")
        return
    if not isinstance(part, Mapping):
        yield Fault((spec.part,), f"expected a mapping of fields to SQL expressions, found {shown(part)}")
        return
    part = dict(part)
    if spec.many and "each" in part:
        shaped["part_each"] = part.pop("each")
        yield from _each_faults(spec, raw, shaped["part_each"])
    shaped["part"] = part
    names = [field.name for field in spec.fields]
    twins = {name.lower(): name for name in names}
    for name in part:
        twin = twins.get(str(name).lower())
        if twin is not None and twin != name:
            yield Fault(
                (spec.part, str(name)),
                f"{shown(name)} differs from the API's field `{twin}` by case only; write {twin}",
            )
        elif twin is None and not spec.open:
            yield Fault((spec.part, str(name)), f"`{spec.part}` takes {', '.join(names)} only{near(str(name), names)}")
    written = {str(name).lower() for name in part if part[name] is not None}
    for name in required:
        if name.lower() not in written:
            yield Fault((spec.part, name), f"is missing; {spec.name} needs it")


def _each_faults(spec: EventType, raw: Mapping[str, Any], each: object) -> Iterable[Fault]:
    key = (str(spec.part), "each")
    if each is None:
        yield Fault(key, "expected a column or an expression that is a list, found nothing")
    if raw.get("lines") is not None:
        yield Fault(
            key, "a cart's lines are either rows (`lines`) or the elements of a list (`each`), not both; leave one out"
        )
    if raw.get("each") is not None:
        yield Fault(key, "the rule has an `each` of its own, and both call their element `item`; leave one out")


def _shape_scalars(spec: EventType, raw: Mapping[str, Any], shaped: dict[str, Any]) -> Iterable[Fault]:
    shaped["scalars"] = {s.name: raw[s.name] for s in spec.scalars if raw.get(s.name) is not None}
    for scalar in spec.scalars:
        if scalar.required and raw.get(scalar.name) is None:
            yield Fault((scalar.name,), f"is missing; {spec.name} needs it")


def _params_faults(spec: EventType | None, params: object) -> Iterable[Fault]:
    """Yield names that the event sends already: the API wants them unique, locators without case (api-facts §1)."""
    if not isinstance(params, Mapping):
        return
    own = {key.lower(): key for key in _keys_of(spec) if key not in OF_LINES} if spec else {}
    for name in map(str, params):
        if len(name) > PARAM_NAME_MAX:
            yield Fault(
                ("params", name),
                f"the API allows {PARAM_NAME_MAX} characters in the name of a parameter, found {len(name)}",
            )
        elif (locator := IDENTIFIERS.get(name.lower())) is not None:
            yield Fault(
                ("params", name),
                f"{shown(name)} is a locator: the API takes a parameter of this name for `{locator}` and may create a contact; "
                f"write it as `contact: {{{locator}: ...}}`, or give the parameter another name",
            )
        elif name.lower() in own:
            key = own[name.lower()]
            yield Fault(
                ("params", name),
                f"`{key}` is {spec.name if spec else ''}'s own key; write it beside `type`, not under `params`",
            )
