"""The event types by name, each derived from its pandera model, the one place where its fields are written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from schemas.match import Match
    from schemas.whole import WholeEvent

Kind = Literal["text", "number", "flag", "texts"]

#: The API text's seven types, in its order, and the module of each one's model.
_MODULES = {
    "pageViewed": "page_viewed",
    "productViewed": "product_viewed",
    "productCategoryViewed": "product_category_viewed",
    "cartUpdated": "cart_updated",
    "productImpressions": "product_impressions",
    "productAddedToWishlist": "product_added_to_wishlist",
    "searchRequest": "search_request",
}

_KINDS: dict[str, Kind] = {"string": "text", "double": "number", "int64": "flag", "list<item: string>": "texts"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the API text's tables: its name, the kind of its value, and whether the API requires it."""

    name: str
    kind: Kind
    required: bool


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type as the API text's table has it.

    `part` is the parameter that holds JSON (page, product, category, products) and `fields` are those inside it; `many`
    says that it is a list; `required_part` that the API requires it (an empty list is a list); `open` that it takes
    properties of one's own. `scalars` are the other parameters of the type, locators apart. `model` checks matches and
    lines, `event_model` whole events.
    """

    name: str
    part: str | None
    many: bool
    open: bool
    required_part: bool
    fields: tuple[Field, ...]
    scalars: tuple[Field, ...]
    model: type[Match]
    event_model: type[WholeEvent]


class _Types(Mapping[str, EventType]):
    """The seven types by name; names are known at once, a model is imported when its type is first looked up."""

    def __getitem__(self, name: str) -> EventType:
        return _load(name, _MODULES[name])

    def __contains__(self, name: object) -> bool:
        return name in _MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


TYPES: Mapping[str, EventType] = _Types()


def event_type(name: str) -> EventType:
    """Return the type `name`: one of the seven, or a custom one, which has locators and parameters of its own only."""
    return TYPES[name] if name in TYPES else _load("custom", "custom")


@cache
def _load(name: str, module_name: str) -> EventType:
    module = import_module(f"schemas.{module_name}")
    whole = import_module("schemas.whole").WholeEvent
    title = name[0].upper() + name[1:]
    model: type[Match] = getattr(module, title)
    return _derive(name, model, getattr(module, f"{title}Event", whole))


def _derive(name: str, model: type[Match], event_model: type[WholeEvent]) -> EventType:
    own = [column for name, column in model.to_schema().columns.items() if name not in _common()]
    part = model.part()
    inside = [column for column in own if part and column.name.startswith(f"{part}.")]
    scalars = [column for column in own if "." not in column.name and not column.regex]
    return EventType(
        name=name,
        part=part,
        many=part == "products",
        open=any(column.regex for column in own),
        required_part=part is not None,
        fields=tuple(_field(column, column.name.removeprefix(f"{part}.")) for column in inside if not column.regex),
        scalars=tuple(_field(column, column.name) for column in scalars),
        model=model,
        event_model=event_model,
    )


def _common() -> set[str]:
    """Return the columns that every type has, and `cleared`, which says something of a line but is not sent."""
    base = import_module("schemas.match")
    return {*base.Match.to_schema().columns, base.CLEARED}


def _field(column: Any, name: str) -> Field:
    return Field(name, _KINDS[str(column.dtype.type.pyarrow_dtype)], required=not column.nullable)
