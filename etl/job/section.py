"""A mapping of the job file as a frozen model that tells all its mistakes at once, in words for analysts.

pydantic stops at the first failing validator of a model and speaks to programmers. `Section` therefore wraps each
model: it collects the unknown keys, the mistakes between keys that a model adds in `_shape`, and those of pydantic put
into words, and raises them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from etl.job.mistakes import Where, near
from etl.job.shown import shown


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake below a section: the way to its key, from there, and the words."""

    where: Where
    message: str


def raise_all(title: str, faults: Iterable[Fault], value: object = None) -> None:
    """Raise the faults as one ValidationError; do nothing when there are none."""
    details = [
        InitErrorDetails(type=PydanticCustomError("mistake", "{text}", {"text": f.message}), loc=f.where, input=value)
        for f in faults
    ]
    if details:
        raise ValidationError.from_exception_data(title, details)


class Section(BaseModel):
    """The base of every mapping in a job file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: What this mapping is called in a mistake.
    title: ClassVar[str] = "a mapping"

    @classmethod
    def _open(cls, value: object) -> object:
        """Turn a short form (a text where a mapping may stand) into the mapping; anything else passes."""
        return value

    @classmethod
    def _shape(cls, raw: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        """Return the mapping in the model's own shape, with the mistakes that no single field can see."""
        return raw, []

    @classmethod
    def _place(cls, where: Where, raw: Mapping[str, Any]) -> Where:  # noqa: ARG003
        """Return the key as the file has it for a field of the model; `raw` is the mapping as shaped."""
        return where

    @classmethod
    def _keys(cls, raw: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG003
        """Return the keys that this mapping may have."""
        return tuple(cls.model_fields)

    @classmethod
    def _unknown(cls, key: str, raw: Mapping[str, Any], known: tuple[str, ...]) -> str:  # noqa: ARG003
        """Return the words for a key that this mapping does not have."""
        return f"unknown key{near(key, known, 'expected one of ' + ', '.join(known))}"

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, cls):
            return value
        opened = cls._open(value)
        if not isinstance(opened, Mapping):
            raise PydanticCustomError("mistake", "{text}", {"text": f"expected {cls.title}, found {shown(opened)}"})
        known = cls._keys(opened)
        faults = [Fault((str(key),), cls._unknown(str(key), opened, known)) for key in opened if key not in known]
        # Null is as good as absent, everywhere.
        raw, more = cls._shape({key: item for key, item in opened.items() if key in known and item is not None})
        faults += more
        model: Self | None = None
        try:
            model = handler(raw)
        except ValidationError as error:
            told = {f.where for f in faults}
            found = [Fault(cls._place(e["loc"], raw), cls._words(e)) for e in error.errors()]
            faults += [f for f in found if f.where not in told]
        raise_all(cls.__name__, faults, value)
        assert model is not None  # noqa: S101
        return model

    @classmethod
    def _words(cls, error: ErrorDetails) -> str:
        """Put a mistake that pydantic found into words; those of sections and types of ours have theirs."""
        field = cls.model_fields.get(str(error["loc"][0])) if len(error["loc"]) == 1 else None
        expected = field.description if field is not None else None
        kind, found = error["type"], shown(error["input"])
        context: dict[str, Any] = error.get("ctx", {})
        match kind:
            case "mistake":
                return error["msg"]
            case "missing":
                return f"is missing; expected {expected or 'a value'}"
            case "value_error":
                return str(context["error"])
            case "literal_error":
                choices = [c.strip("'") for c in str(context["expected"]).replace(" or ", ", ").split(", ")]
                return f"expected one of {', '.join(choices)}, found {found}{near(str(error['input']), choices)}"
            case "greater_than_equal":
                return f"expected {context['ge']} or more, found {found}"
            case "less_than_equal":
                return f"expected {context['le']} or less, found {found}"
        wanted = expected or _PLAIN.get(kind) or error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
        return f"expected {wanted}, found {found}"


_PLAIN = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping of names to values",
    "list_type": "a list",
    "tuple_type": "a list",
}
