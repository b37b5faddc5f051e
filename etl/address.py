"""Addresses of files elsewhere: which texts are one, and how one is shown without the secrets it may hold."""

from __future__ import annotations

import ipaddress
import re
import socket

_REMOTE = re.compile(r"(s3|gs|https?)://", re.IGNORECASE)
_QUERY = re.compile(r"(\b(?:s3|gs|https?)://[^\s?#]*\?)([^\s#]*)", re.IGNORECASE)
_LOGIN = re.compile(r"(?<=://)[^/@\s?#]+@")
_PARAMETER = re.compile(r"([^=&]*)=([^&]*)")
# What presigned addresses (AWS, Google, Azure) and services' own links call their secrets, and what changes with each signing.
_SECRET = re.compile(
    r"^x-(amz|goog)-|sig|token|key|secret|pass|pwd|auth|cred|code|session|jwt|hash|hmac|accessid|policy"
    r"|^(expires?|se|st|sp|sv|sr|spr|skoid|sktid|skt|ske|sks|skv|pw|k|t|s)$",
    re.IGNORECASE,
)
_LONGEST_PLAIN = 20

#: What stands in an address in place of a secret.
MASK = "…"


def is_remote(text: str) -> bool:
    """Return whether a path of the job names something that is not on this machine."""
    return _REMOTE.match(text) is not None


def masked_address(text: str) -> str:
    """Return `text` with the logins and secret parameters of the addresses in it masked; all else as it stands.

    A parameter is secret by its name, or where its value is long enough to be one.
    """
    return _QUERY.sub(lambda found: found[1] + _PARAMETER.sub(_masked, found[2]), _LOGIN.sub("***@", text))


def _masked(found: re.Match[str]) -> str:
    secret = _SECRET.search(found[1]) or len(found[2]) > _LONGEST_PLAIN
    return f"{found[1]}={MASK}" if secret else found[0]


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: a name below `localhost` only where all that it resolves to is."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    if not host.endswith(".localhost"):
        return host == "localhost"
    try:
        return all(is_loopback(str(found[4][0])) for found in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False
