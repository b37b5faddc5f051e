"""Any other eventTypeKey: locators and parameters of one's own (API text, *Parameters*: "keys are arbitrary")."""

from __future__ import annotations

from schemas.match import Match


class Custom(Match):
    """An event of a type that is not one of the API's own: it has no fields that the API requires."""
