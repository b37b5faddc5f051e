"""Who may come in: Basic with any user name and an API key as the password (api-facts.md §1 and §4)."""

from __future__ import annotations

import base64
import binascii
import hmac

from etl.sandbox.answers import Answer, text
from etl.sandbox.settings import Settings


def refusal(header: str | None, settings: Settings, *, info: bool) -> Answer | None:
    """Return the 401 or 403 that this Authorization header earns, None when it opens; `info`: for account/info."""
    key = api_key(header)
    if not key:
        return unauthorised()
    weak = _known(key, settings.no_right)
    if settings.keys and not weak and not _known(key, settings.keys):
        return unauthorised()
    if weak or (info and not settings.info_right):
        return text(403, "the API key lacks the right for this method")
    return None


def unauthorised() -> Answer:
    """Return the 401."""
    return text(401, "no valid API key", ("WWW-Authenticate", 'Basic realm="sandbox"'))


def api_key(header: str | None) -> str | None:
    """Return the password of a Basic header; None when there is none or it cannot be read."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user_and_key = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return user_and_key.partition(":")[2]


def _known(key: str, keys: tuple[str, ...]) -> bool:
    return any(hmac.compare_digest(key.encode(), each.encode()) for each in keys)
