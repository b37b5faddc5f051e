"""The identifiers by which the API finds a contact, in its own order of priority (API text, table of `keyValue`)."""

from __future__ import annotations

from typing import Literal, get_args

Locator = Literal["contactId", "externalCustomerId", "email", "phone", "pushToken"]
LOCATORS: tuple[Locator, ...] = get_args(Locator)

#: Names that people and the API's segmentation use for them (api-facts §1), for "did you mean".
ALIASES: dict[str, Locator] = {
    "emailaddress": "email",
    "e-mail": "email",
    "mail": "email",
    "sms": "phone",
    "phonenumber": "phone",
    "mobile": "phone",
    "customerid": "externalCustomerId",
    "customer_id": "externalCustomerId",
    "token": "pushToken",
}

#: Names by which the API finds a contact in an event's parameters, in lower case; it reads them without case.
IDENTIFIERS: dict[str, Locator] = {
    "contactid": "contactId",
    "contact_id": "contactId",
    "contactkey": "contactId",
    "contact_key": "contactId",
    "externalcustomerid": "externalCustomerId",
    "email": "email",
    "emailaddress": "email",
    "useremail": "email",
    "contactemail": "email",
    "phone": "phone",
    "sms": "phone",
    "phonenumber": "phone",
    "pushtoken": "pushToken",
}
