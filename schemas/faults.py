"""Every reason for which a row, a match or an event is invalid: stable words, and for people a sentence each.

A reason is `<column>.<fault>` (`product.price.missing`) or a word that concerns the whole (`no_contact`). The words
stand in JSON, in the books and in the quarantine: they are never changed, only added to.
"""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What can be wrong with one value; the last word of a reason."""

    MISSING = "missing"
    NOT_A_NUMBER = "not_a_number"
    NOT_0_OR_1 = "not_0_or_1"
    NOT_ISO4217 = "not_iso4217"
    SHAPE = "shape"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    FORBIDDEN_CHARACTER = "forbidden_character"
    FAILED = "failed"


class Whole(StrEnum):
    """What can be wrong with a row, a match or an event as a whole; a reason by itself."""

    NO_CONTACT = "no_contact"
    TIME = "time"
    FUTURE = "future"
    TOO_LARGE = "too_large"
    NO_PRODUCTS = "products.missing"
    NO_LINES = "lines.missing"
    CART_LINE = "cart_line"
    LINES_DIFFER = "lines_differ"
    EXPRESSION = "expression.failed"
    WHERE = "where.failed"
    EACH = "each.failed"
    RAGGED = "ragged"
    UTF8 = "utf8"
    JSON = "json"
    LOG_LINE = "log_line"
    LINE_TOO_LONG = "too_long"


_OF_VALUE = {
    Fault.MISSING: "{column} is missing, and the API requires it. "
    "Fill it in the source, or pick other rows by `where`.",
    Fault.NOT_A_NUMBER: "{column} is not a finite number. "
    "Clean the value in its expression; `source.decimal` sets the decimal sign.",
    Fault.NOT_0_OR_1: "{column} is neither 0 nor 1. "
    "Write a condition, for example stock > 0: true is sent as 1, false as 0.",
    Fault.NOT_ISO4217: "{column} is not a currency code of ISO 4217. Write three capital letters, for example 'USD'.",
    Fault.SHAPE: "{column} does not have the shape that the API expects.",
    Fault.TOO_LONG: "{column} has more characters than the API takes: 300. Use a shorter identifier.",
    Fault.TOO_LARGE: "{column} is larger than the API takes.",
    Fault.FORBIDDEN_CHARACTER: "{column} holds a character that the API forbids in identifiers: "
    "< ; ’ \\ / | \" ` ' ^ ? ! , > or a control character. Clean it in its expression, or use another identifier.",
    Fault.FAILED: "The expression of {column} failed on this row. Use try_cast, or say what such a value becomes.",
}

_SHAPES = {
    "contact.email": "contact.email is not an e-mail address. Expected name@domain.tld.",
    "contact.phone": "contact.phone is not a phone number in the international format. "
    "Expected 7 to 15 digits, the country code first, not 0.",
    "recomVariantId": "recomVariantId is not a recommendation variant. "
    "Expected r{recomId}v{variantId}, for example r12v3.",
}

_OF_WHOLE = {
    Whole.NO_CONTACT: "The match has neither a locator nor a keyValue, and the API takes no such event. "
    "Map one under `contact` or `key_value`, or drop such matches with `filters: {anonymous: true}`.",
    Whole.TIME: "The time is missing or cannot be read. "
    "Check `time.column`, and `time.format` where it is not ISO 8601 or an epoch; a zone by its name (`Europe/Kyiv`, `EET`) is not read.",
    Whole.FUTURE: "The time is more than 15 minutes ahead of now. Check `time.zone` and `time.format`.",
    Whole.TOO_LARGE: "The event is larger than the API takes: 20 KB. Map fewer or shorter fields.",
    Whole.NO_PRODUCTS: "The list of products is missing or empty. A cart that was emptied says so with `cleared`.",
    Whole.NO_LINES: "A value of `lines` is missing, so nobody knows which lines belong together. "
    "Fill it, or pick other rows by `where`.",
    Whole.CART_LINE: "Another line of the same event is invalid, and an event is not sent short. Mend that line.",
    Whole.LINES_DIFFER: "The lines of one event differ in a value that belongs to the event. "
    "Make them agree, or add that value to `lines`.",
    Whole.EXPRESSION: "An expression failed on this row, and it cannot be told which. Look at casts and time zones.",
    Whole.WHERE: "The expression of `where` failed on this row. Use try_cast, or say what such a value means.",
    Whole.EACH: "The expression of `each` failed on this row. Expected a list.",
    Whole.RAGGED: "The line has too many or too few fields, or a quote that never closes. "
    "Mend the line; check `delimiter`.",
    Whole.UTF8: "The line holds bytes that are no text in the file's encoding. Check `source.encoding`.",
    Whole.JSON: "The line is no JSON object. Mend the line.",
    Whole.LOG_LINE: "The line does not have the format of the log. Mend the line; check `source.log_format`.",
    Whole.LINE_TOO_LONG: "The line is too long to be read. Check its quotes, or `source.format`.",
}


def reason(column: str, fault: Fault) -> str:
    """Return the reason for a fault of a column: `product.price.missing`."""
    return f"{column}.{fault}"


def explain(reason: str) -> str:
    """Return a sentence or two for people: what is wrong, what was expected, what to do next."""
    if reason in _OF_WHOLE:
        return _OF_WHOLE[Whole(reason)]
    column, _, word = reason.rpartition(".")
    if column.startswith("filters.") and word == Fault.FAILED:
        name = column.removeprefix("filters.")
        return f"The filter `{name}` failed on this row. Use try_cast, or say what such a value means."
    if word == Fault.SHAPE and column in _SHAPES:
        return _SHAPES[column]
    if column and word in _OF_VALUE:
        return _OF_VALUE[Fault(word)].format(column=_shown(column))
    # A state folder may hold the reasons of another version.
    return f"The match is invalid: {reason}."


def _shown(column: str) -> str:
    return "keyValue" if column in ("key", "key_value") else column
