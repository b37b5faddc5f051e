"""What a job's rules give reason to doubt before a row is read: warnings of `check` and `plan`, each with what to do."""

from __future__ import annotations

import re

from etl.job.models import EventRule, Job

_CURRENCIES = ("USD", "EUR", "UAH")
_LITERAL = re.compile(r"'([A-Za-z]{3})'")
_ADDS = re.compile(r"'(?:[\w ]*[_ -])?add(?:ed)?[ _-]?(?:to)?[ _-]?(?:cart|basket|bag)\w*'", re.IGNORECASE)


def doubts_of(job: Job) -> list[str]:
    """Return the warnings that the rules of a job give reason to, by rule."""
    return [
        f"warning: events[{number}] ({rule.type}) {words}"
        for number, rule in enumerate(job.events)
        for words in _doubts(rule)
    ]


def _doubts(rule: EventRule) -> list[str]:
    found = []
    if rule.type == "searchRequest" and "isFound" not in rule.scalars:
        found.append(
            "has no `isFound`: campaigns cannot tell searches that found nothing; write for example `isFound: hits > 0`"
        )
    if rule.type == "cartUpdated" and _adds_alone(rule):
        found.append(
            "makes a cart of one product of each row: its rows add to a cart, and each event replaces the whole cart. "
            "Put the lines of a cart together by `lines`, or by `each` where a row holds the list"
        )
    currency = rule.scalars.get("currencyCode")
    literal = _LITERAL.fullmatch(currency.strip()) if currency is not None else None
    if literal is not None and literal[1] not in _CURRENCIES:
        found.append(
            f"has the currency {literal[1]}: the API is known to take {', '.join(_CURRENCIES)}. Ask the vendor about others first"
        )
    return found


def _adds_alone(rule: EventRule) -> bool:
    """True where each row is a cart by itself although what it says is that a product came in."""
    whole = rule.lines is not None or rule.part_each is not None or rule.each is not None
    return not whole and rule.where is not None and _ADDS.search(rule.where) is not None
