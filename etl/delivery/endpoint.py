"""Where requests go and what all of them begin with: made once for all senders.

Requests (the library) prepares it: address, authorization, and whose certificates are trusted. No proxies or netrc of
the environment: the key goes to the address in the job and nowhere else.
"""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from etl import __version__

#: The user name is ours to choose (api-facts §1); the key is the password.
USER = "clickreplay"


class Endpoint:
    """One method of one API, for one key.

    `host` and `port` are what to connect to; `tls` says how, None for plain HTTP. `ca` is a file of certificates to
    trust instead of the usual ones.
    """

    def __init__(self, url: str, key: str, *, verb: str = "POST", ca: str | None = None) -> None:
        headers = {
            "User-Agent": f"clickreplay/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        self._has_body = verb == "POST"
        if self._has_body:
            headers["Content-Type"] = "application/json"
        with requests.Session() as session:
            session.trust_env = False
            prepared = session.prepare_request(
                requests.Request(verb, url, headers=headers, auth=HTTPBasicAuth(USER, key.encode()))
            )
        parts = urlsplit(prepared.url or url)
        secure = parts.scheme == "https"
        usual = 443 if secure else 80
        self.host = parts.hostname or ""
        self.port = parts.port or usual
        self.tls = _tls(ca) if secure else None
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = [
            f"{verb} {prepared.path_url} HTTP/1.1",
            f"Host: {host}" if self.port == usual else f"Host: {host}:{self.port}",
            *(f"{name}: {_text(value)}" for name, value in prepared.headers.items() if name != "Content-Length"),
            "Content-Length: " if self._has_body else "\r\n",
        ]
        self._head = "\r\n".join(lines).encode("latin-1")

    def request(self, body: bytes) -> bytes:
        """Return the bytes of a request, head and body."""
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body) if self._has_body else self._head


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _tls(ca: str | None) -> ssl.SSLContext:
    """Return what a TLS connection demands: a certificate for the very host, from an authority of the bundle."""
    context = ssl.create_default_context(cafile=ca or DEFAULT_CA_BUNDLE_PATH)
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    return context
