"""Who a match is about: locators in the form that the API wants, and the keyValue that they give (API text, table of `keyValue`)."""

from __future__ import annotations

from etl.mapping.blank import identifier
from etl.mapping.layers import Layers
from etl.sql import literal, quote
from etl.tables import LOCATORS
from schemas.contact import EMAIL, FORBIDDEN, KEY_MAX, PHONE


def contact_layers(layers: Layers, *, drop_bad: bool) -> Layers:
    """Add the locators in the API's form (null where absent) and `key`, the keyValue.

    `key` is the job's `key_value`, else the first locator present in the API's own order. With `drop_bad` a locator that breaks the
    API's rules is left out where another one is there.
    """
    present = [locator for locator in LOCATORS if f"contact.{locator}" in layers.columns]
    names = {locator: quote(f"contact.{locator}") for locator in LOCATORS}
    layers = layers.add({f"contact.{locator}": _normal(locator, names[locator]) for locator in present})
    layers = layers.add(
        {f"contact.{locator}": "CAST(NULL AS VARCHAR)" for locator in LOCATORS if locator not in present}
    )
    if drop_bad and len(present) > 1:
        good = {locator: f"coalesce({_is_good(locator, names[locator])}, false)" for locator in present}
        any_good = " OR ".join(good.values())
        layers = layers.add(
            {
                f"contact.{locator}": f"CASE WHEN {good[locator]} OR NOT ({any_good}) THEN {names[locator]} END"
                for locator in present
            }
        )
    given = [identifier(quote("key_value"))] if "key_value" in layers.columns else []
    return layers.add({"key": f"coalesce({', '.join([*given, *names.values()])})"})


def _normal(locator: str, sql: str) -> str:
    if locator == "phone":
        # International digits: the sign and the separators that people write are no part of them.
        separators = r"[\s\x{a0}\x{202f}().-]"
        return (
            f"nullif(regexp_replace(regexp_replace({identifier(sql)}, {literal(separators)}, '', 'g'), '^\\+', ''), '')"
        )
    if locator == "externalCustomerId":
        # The server ignores the word null as an id, so it is no locator (api-facts).
        return f"CASE WHEN lower({identifier(sql)}) <> 'null' THEN {identifier(sql)} END"
    return identifier(sql)


def _is_good(locator: str, sql: str) -> str:
    shape = {"email": EMAIL, "phone": PHONE}.get(locator)
    rules = [f"length({sql}) <= {KEY_MAX}", f"NOT regexp_matches({sql}, {literal(FORBIDDEN)})"]
    if shape is not None:
        rules.append(f"regexp_matches({sql}, {literal(shape)})")
    return f"({' AND '.join(rules)})"
