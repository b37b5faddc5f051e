"""The scalar values of a job file: expressions, durations, shares, rates, names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import time, timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from etl.job import template
from etl.job.section import Fault, raise_all
from etl.job.shown import shown

#: Names that stand in expressions or in the API's parameters: a letter or _, then letters, digits, _ and -.
NAME = re.compile(r"[^\W\d][\w-]*")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|sec|second|m|min|minute|h|hour)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB)?", re.IGNORECASE)
_BYTES = {"b": 1, "kb": 1_000, "mb": 1_000_000}
_LARGEST_SIZE = 100_000_000
_HOURS = re.compile(r"(\d\d:\d\d)\s*[-–]\s*(\d\d:\d\d)")
_PER = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_DURATION = 36500 * 86400.0  # a century: what is beyond is a slip of the hand, and overflows dates


class Number(float):
    """A number as the file wrote it: `1.10` stays `1.10` where it is an expression."""

    text: str

    def __new__(cls, text: str) -> Number:
        """Take the text of the file; raise ValueError where it is no number."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text


def expression(value: object) -> str:
    """Return a scalar of the file as SQL: text as it stands, numbers as written, booleans as true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"expected an SQL expression, found {shown(value)}")  # noqa: TRY004 - pydantic takes ValueError only
    if not value.strip():
        raise ValueError("expected an SQL expression, found a blank text; a literal is written \"'text'\"")
    template.check_expression(value)
    return value.strip()


def name(value: object, what: str) -> str | None:
    """Return what is wrong with a name in a mapping of expressions, or None."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return None
    return f"{shown(value)} is not {what}: expected a letter, then letters, digits, _ or -"


def expressions(value: object) -> dict[str, str]:
    """Return a mapping of names to expressions; a name whose value is null is as good as absent."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping of names to SQL expressions, found {shown(value)}")  # noqa: TRY004
    found: dict[str, str] = {}
    faults: list[Fault] = []
    for key, item in value.items():
        if wrong := name(key, "a name"):
            faults.append(Fault((str(key),), wrong))
        elif item is not None:
            try:
                found[key] = expression(item)
            except ValueError as error:
                faults.append(Fault((key,), str(error)))
    raise_all("expressions", faults, value)
    return found


def duration(value: object) -> object:
    """Return "500ms", "30s", "30m", "1h" or "3d" as a timedelta."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = float(match[1]) * _SECONDS[match[2]] if match else math.inf
    if match and seconds > _LONGEST_DURATION:
        raise ValueError(f"expected at most {_LONGEST_DURATION / 86400:g}d (a century), found {shown(value)}")
    if not match:
        raise ValueError(f"expected a duration such as 500ms, 30s, 30m, 1h or 3d, found {shown(value)}")
    return timedelta(seconds=seconds)


def positive(value: object) -> object:
    """Return a duration longer than nothing."""
    found = duration(value)
    if found == timedelta():
        raise ValueError(f"expected a duration longer than nothing, found {shown(value)}")
    return found


def share(value: object) -> object:
    """Return "5%" or 0.05 as a fraction of one."""
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = math.nan
    if not 0 <= found <= 1:
        raise ValueError(f"expected a share such as 5% or 0.05, found {shown(value)}")
    if found == 1 and "%" not in text and "." not in text:
        raise ValueError("1 may mean 1% or all: write 1% or 100%")
    return found


def rate(value: object) -> object:
    """Return "50/s", "3000/min" or "100/h" as requests a second."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    found = float(match[1]) / _PER[match[2][0]] if match else 0.0
    if isinstance(value, float) and not isinstance(value, Number):
        found = value  # a model made from another's values
    if not 0 < found < math.inf:
        raise ValueError(f"expected requests in a time, such as 50/s, 3000/min or 100/h, found {shown(value)}")
    return found


def size(value: object) -> object:
    """Return "1MB", "500KB" or a number of bytes as bytes; K and M are thousands and millions."""
    match = (
        _SIZE.fullmatch(str(value).strip())
        if isinstance(value, str | int | float) and not isinstance(value, bool)
        else None
    )
    found = float(match[1]) * _BYTES[(match[2] or "b").lower()] if match else 0.0
    if not 1 <= found <= _LARGEST_SIZE or found != int(found):
        raise ValueError(f"expected bytes, such as 1MB, 500KB or 200000, found {shown(value)}")
    return int(found)


def hours(value: object) -> tuple[time, time | None]:
    """Return the start and the end of "09:00-20:00"; None for an end at 24:00."""
    expected = f'expected hours of the day such as "09:00-20:00", found {shown(value)}'
    match = _HOURS.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[1] == match[2]:
        raise ValueError(expected)
    try:
        start = time.fromisoformat(match[1])
        end = None if match[2] == "24:00" else time.fromisoformat(match[2])
    except ValueError:
        raise ValueError(expected) from None
    return start, end


def text(value: object) -> object:
    """Return a scalar as text, as the file wrote it."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def texts(value: object) -> object:
    """Return one value or a list of them as a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def whole(value: object) -> object:
    """Return a whole number; true, 1.5 and "many" are none."""
    if isinstance(value, bool) or (isinstance(value, str) and not value.strip().isdecimal()):
        raise ValueError(f"expected a whole number, found {shown(value)}")
    return value


def flag(value: object) -> object:
    """Return true or false; YAML 1.2 reads yes, no, on and off as text, and so do we."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {shown(value)}")  # noqa: TRY004
    return value


Expr = Annotated[str, BeforeValidator(expression), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Exprs = Annotated[dict[str, str], BeforeValidator(expressions)]
Text = Annotated[str, BeforeValidator(text)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Span = Annotated[timedelta, BeforeValidator(positive)]
Share = Annotated[float, BeforeValidator(share)]
Rate = Annotated[float, BeforeValidator(rate)]
Size = Annotated[int, BeforeValidator(size)]
Whole = Annotated[int, BeforeValidator(whole)]
Flag = Annotated[bool, BeforeValidator(flag)]
