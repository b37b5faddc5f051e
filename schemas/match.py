"""What every match has, whatever its type: who it is about, and when it happened."""

from __future__ import annotations

from pandera.pandas import DataFrameModel

from schemas.columns import Instant, Text, identifier, key_value, optional_instant
from schemas.contact import EMAIL, PHONE
from schemas.faults import Whole

#: The column that says that a line stands for an emptied cart: its product fields are nobody's business then.
CLEARED = "cleared"


class Match(DataFrameModel):
    """A row taken by an event rule (API text, table of *Parameters*; api-facts §1 for identifiers).

    A missing instant is no fault here: only jobs that name a time need one (RULES §1). Columns that the model does not
    name pass, such as places and parameters of one's own.
    """

    contact_id: Text = identifier("contact.contactId")
    external_customer_id: Text = identifier("contact.externalCustomerId")
    email: Text = identifier("contact.email", EMAIL)
    phone: Text = identifier("contact.phone", PHONE)
    push_token: Text = identifier("contact.pushToken")
    key: Text = key_value("key", missing=Whole.NO_CONTACT)
    instant: Instant = optional_instant("instant")

    class Config:
        """Nothing is coerced: one bad value would fail its whole column (RULES §11)."""

        coerce = False
        strict = False

    @classmethod
    def part(cls) -> str | None:
        """Return the parameter that holds JSON: what stands before the dot in the names of the type's own columns."""
        shared = Match.to_schema().columns
        own = [name for name, column in cls.to_schema().columns.items() if name not in shared and not column.regex]
        return next((name.partition(".")[0] for name in own if "." in name), None)
