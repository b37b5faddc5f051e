"""Where requests go, by which way, and the head that all of them have: made once for all senders.

Proxies and certificates are those that requests would use, from the environment. The key is the one of the job: no
netrc replaces it.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import urlsplit

import requests
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from etl import __version__
from etl.address import is_loopback
from etl.delivery.addresses import Addresses
from etl.delivery.secrets import Secrets
from etl.delivery.trust import tls_context
from etl.errors import RefusedError

#: The user name is ours to choose (api-facts §1); the key is the password.
USER = "clickreplay"
_PORTS = {"http": 80, "https": 443}


class Endpoint:
    """One method of one API, for one key.

    `host` and `port` are the API's; `addresses` are those to connect to, the proxy's where there is one. `tls` says what
    is trusted, None where nothing on the way is TLS. `target` is what the first line of a request names. `ca` is a file
    of certificates to trust instead of the usual ones; `direct` goes past the environment's proxies.
    """

    def __init__(self, url: str, key: str, *, verb: str = "POST", ca: str | None = None, direct: bool = False) -> None:
        try:
            prepared = requests.Request(verb, url).prepare()
        except requests.RequestException as error:
            raise RefusedError(f"{url} is no address that can be asked: {error}", hint="check delivery.api") from None
        parts = urlsplit(prepared.url or url)
        self.verb, self.secure = verb, parts.scheme == "https"
        self.host, self.port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self.headers = {
            "User-Agent": f"clickreplay/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": _basic(USER, key),
        }
        if verb == "POST":
            self.headers["Content-Type"] = "application/json"
        self.proxy = None if direct else _proxy(prepared.url or url)
        self.proxy_headers: dict[str, str] = {}
        self.target = prepared.path_url
        user, password = get_auth_from_url(self.proxy.url) if self.proxy else ("", "")
        if user:
            self.proxy_headers["Proxy-Authorization"] = _basic(user, password)
        if self.proxy is not None and not self.secure:  # plain http: the proxy is asked for the whole address
            self.target = prepared.url or url
            self.headers |= self.proxy_headers
        self.secrets = Secrets(key, password)
        self.addresses = (
            Addresses(*_address(self.proxy), only_here=not self.secure)
            if self.proxy
            else Addresses(self.host, self.port, only_here=not self.secure)
        )
        on_the_way = self.secure or (self.proxy is not None and self.proxy.scheme == "https")
        self.tls = tls_context(ca) if on_the_way else None


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _proxy(url: str) -> Url | None:
    """Return the proxy that the environment names for an address; None for none.

    Plain http goes to this machine only, so it takes a proxy on this machine only: the key never leaves it unprotected.
    """
    named = select_proxy(url, get_environ_proxies(url))
    if not named:
        return None
    hint = (
        "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY name proxies, as http://proxy.example:3128; "
        f"NO_PROXY={urlsplit(url).hostname} goes past them"
    )
    try:
        proxy = parse_url(named if "://" in named else f"http://{named}")
    except LocationParseError:
        proxy = Url()
    if not proxy.host:
        raise RefusedError("the environment names a proxy whose address cannot be read", hint=hint)
    if proxy.scheme not in _PORTS:
        raise RefusedError(
            f"the environment names a proxy of the kind {proxy.scheme} ({proxy.host}); only http and https are known",
            hint=hint,
        )
    if url.startswith("http:") and not is_loopback(proxy.host.strip("[]")):
        return None
    return proxy


def _address(proxy: Url) -> tuple[str, int]:
    return (proxy.host or "").strip("[]"), proxy.port or _PORTS[proxy.scheme or "http"]
