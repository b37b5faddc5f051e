"""The locators of planned events, read back from their bodies."""

from __future__ import annotations

from etl.sql import literal, quote
from etl.tables import LOCATORS


def with_locators(events: str, *also: str) -> str:
    """Return SQL of `key`, `contact.<locator>` and the columns `also` of events (SQL of a relation with `key` and `body`)."""
    # The locators stand first among the parameters (`event_json`), and there are no more than these.
    paths = [f"$.params[{n}].{part}" for n in range(len(LOCATORS)) for part in ("name", "value")]
    names = {
        f"contact.{locator}": " ".join(
            f"WHEN v[{2 * n + 1}] = '{locator}' THEN v[{2 * n + 2}]" for n in range(len(LOCATORS))
        )
        for locator in LOCATORS
    }
    columns = ", ".join(f"CASE {cases} END AS {quote(name)}" for name, cases in names.items())
    taken = f"json_extract_string(body, [{', '.join(map(literal, paths))}])"
    listed = ", ".join([*also, "key"])
    return f"SELECT {listed}, {columns} FROM (SELECT {listed}, {taken} AS v FROM ({events}))"
