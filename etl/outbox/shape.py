"""The shape of a rule's matches: which columns they have and of which kind, as the job and the API's tables say."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl.job.models import Dedupe, EventRule, Job
from etl.outbox import body, identity
from etl.sql import quote
from schemas import TYPES

PRODUCTS = "products"  # JSON text of a folded list of products
PRODUCTS_CONTENT = "_products"  # what of that list goes into the identity
MOMENT = "_moment"  # the instant, or what stands for it in a job without time
WHO, WHAT = "_who", "_what"  # keyValue and moment, and the mapped values, as identity has them


@dataclass(frozen=True, slots=True)
class Column:
    """A mapped column: its name in the table of matches, its name in the event, its kind."""

    column: str
    name: str
    kind: str  # text, number, flag, texts or json


@dataclass(frozen=True, slots=True)
class Shape:
    """One rule's columns, and what is made of them."""

    index: int
    type: str
    part: str | None
    fields: tuple[Column, ...]  # of the part
    scalars: tuple[Column, ...]
    params: tuple[Column, ...]
    given_id: bool
    folds: bool  # several lines are one event: by `lines`, or a list in the row
    keeps_repeats: bool
    dedupe: Dedupe | None  # key or window; exact holds always

    def keeping_repeats(self) -> Shape:
        """This shape for lists that a row holds: equal products in one list are meant."""
        return replace(self, keeps_repeats=True)

    @property
    def event_columns(self) -> tuple[Column, ...]:
        """The mapped columns that belong to the event and not to a line of it."""
        return (*self.scalars, *self.params)

    def line_json(self) -> str:
        """SQL of a line's product as JSON."""
        return body.json_object((c.name, body.json_value(c.column, c.kind)) for c in self.fields)

    def line_content(self) -> str:
        """SQL of a line's mapped values, for identity."""
        return identity.content((c.name, identity.column_text(c.column, c.kind)) for c in self.fields)

    def event_content(self) -> str:
        """SQL of an event's mapped values, for identity."""
        values = [(c.column, identity.column_text(c.column, c.kind)) for c in self.event_columns]
        if self.folds:
            values.append((PRODUCTS, quote(PRODUCTS_CONTENT)))
        else:
            values += [(c.column, identity.column_text(c.column, c.kind)) for c in self.fields]
        return identity.content(values)

    def event_json(self) -> str:
        """SQL of the event's body."""
        contact = [body.parameter(name, body.string(quote(f"contact.{name}"))) for name in body.LOCATOR_ORDER]
        part: list[str] = []
        if self.part is not None:
            inner = quote(PRODUCTS) if self.folds else self._part_json()
            part = [body.parameter(self.part, body.string(inner))]
        scalars = {c.name: body.parameter(c.name, body.json_value(c.column, c.kind)) for c in self.scalars}
        # The API text's example of productImpressions names the variant before the products.
        first = [scalars.pop("recomVariantId")] if "recomVariantId" in scalars else []
        params = [body.parameter(c.name, body.json_value(c.column, c.kind)) for c in self.params]
        return body.event(self.type, [*contact, *first, *part, *scalars.values(), *params])

    def _part_json(self) -> str:
        one = self.line_json()
        return f"'[' || {one} || ']'" if TYPES[self.type].many else one

    def identity_texts(self) -> dict[str, str]:
        """SQL of the texts that `identity_columns` hashes."""
        return {WHO: identity.who(quote("key"), quote(MOMENT)), WHAT: self.event_content()}

    def identity_columns(self) -> dict[str, str]:
        """SQL of `id`, `twin`, `lane`, `grp` (the group of a key or window dedupe, else null) and `content`, over `identity_texts`."""
        key = quote("key")
        grp = "CAST(NULL AS BLOB)"
        if self.dedupe is not None:
            by = {c.name: identity.column_text(c.column, c.kind) for c in (*self.fields, *self.event_columns)}
            chosen = [(name, by[name]) for name in self.dedupe.fields if name in by]
            grp = identity.group(self.type, key, identity.content(chosen))
        given = quote("id") if self.given_id else None
        # What the job's `id` names is the event: its other values and its time say nothing.
        return {
            "id": identity.event_id(self.type, quote(WHO), quote(WHAT), given),
            "twin": identity.twin(self.type, quote(WHO), given),
            "lane": identity.lane(key),
            "grp": grp,
            "content": identity.content_hash(self.type, quote(WHAT)),
        }


def shape_of(index: int, job: Job) -> Shape:
    """Return the shape of the `index`-th rule of a job."""
    rule = job.events[index]
    spec = TYPES.get(rule.type)
    part_kinds = {f.name: f.kind for f in spec.fields} if spec else {}
    scalar_kinds = {f.name: f.kind for f in spec.scalars} if spec else {}
    order = list(scalar_kinds)
    scalars = sorted(rule.scalars, key=order.index)
    return Shape(
        index=index,
        type=rule.type,
        part=rule.part_name,
        fields=tuple(Column(f"{rule.part_name}.{n}", n, part_kinds.get(n, "texts")) for n in rule.part or {}),
        scalars=tuple(Column(n, n, scalar_kinds[n]) for n in scalars),
        params=tuple(Column(f"params.{n}", n, "json") for n in rule.params),
        given_id=(rule.id or job.id) is not None,
        folds=folds(rule),
        keeps_repeats=rule.repeats == "keep",
        dedupe=_dedupe(job, rule.type),
    )


def folds(rule: EventRule) -> bool:
    """Say whether several lines become one event of this rule."""
    return rule.lines is not None or rule.part_each is not None or rule.cleared is not None


def _dedupe(job: Job, kind: str) -> Dedupe | None:
    found = job.dedupe.get(kind) or job.dedupe.get("default")
    return found if found is not None and found.kind != "exact" else None
