"""From an exchange to its outcome, over one kept connection. One transport a thread.

Requests (the library) prepares the request once, trusts its certificates and keeps the pool; each post then goes
through that pool with a new body only. No redirects, no proxies or netrc of the environment: the key goes to the
address in the job and nowhere else.
"""

from __future__ import annotations

import ssl
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, SSLError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout

from etl import __version__
from etl.delivery.answers import Answer, Cause, Failure, Outcome, retry_after
from etl.delivery.connection import Telling, Wire, pools
from etl.delivery.exchange import Exchange, TooLateError

#: The user name is ours to choose (api-facts §1); the key is the password.
USER = "clickreplay"

_LATE = "no answer in time"
_CONNECT = 10.0  # seconds, or the whole timeout where that is less
_ANSWER = 4 * 1024 * 1024  # bytes of an answer that are read


class _Adapter(HTTPAdapter):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = pools(self._wire)


class Transport:
    """Requests to one method of one API, one at a time.

    `timeout` in seconds is for each wait; the caller cuts what takes longer in all.
    """

    def __init__(self, url: str, key: str, timeout: float, *, verb: str = "POST", ca: str | None = None) -> None:
        self.url = url
        self._wire = Wire(timeout)
        self._verb = verb
        self._timeout = Timeout(connect=min(_CONNECT, timeout), read=timeout)
        self._session = requests.Session()
        self._session.trust_env = False
        adapter = _Adapter(self._wire)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        headers = {
            "User-Agent": f"clickreplay/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if verb == "POST":
            headers["Content-Type"] = "application/json"
        request = requests.Request(verb, url, headers=headers, auth=HTTPBasicAuth(USER, key.encode()))
        prepared = self._session.prepare_request(request)
        self._headers = {name: value for name, value in prepared.headers.items() if name != "Content-Length"}
        self._target = prepared.path_url
        verify = ca or True
        self._pool = cast("HTTPConnectionPool", adapter.get_connection_with_tls_context(prepared, verify))
        adapter.cert_verify(self._pool, url, verify, None)  # type: ignore[no-untyped-call]

    def post(self, exchange: Exchange) -> Outcome:
        """Send a request and return its outcome; never raises for what the network or the server do."""
        wire = self._wire
        wire.exchange = exchange
        try:
            outcome = self._post(exchange)
            # What looks like the end of an answer may be our own cut.
            return Failure(Cause.NO_ANSWER, _LATE) if exchange.was_cut else outcome
        except TooLateError:
            return Failure(Cause.NOT_SENT, "no connection in time")
        except (HTTPError, OSError) as error:
            return self._failure(error, exchange)
        finally:
            exchange.tie(None)
            wire.exchange = None

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _post(self, exchange: Exchange) -> Outcome:
        response = self._pool.urlopen(
            self._verb,
            self._target,
            body=exchange.body or None,
            headers=self._headers,
            redirect=False,
            retries=False,
            timeout=self._timeout,
            preload_content=False,
        )
        connection = response.connection
        body = response.read(_ANSWER)
        if response.length_remaining or (not response.closed and response.read(1)):
            response.close()  # longer than any answer of the API: its rest would be taken for the next answer
        elif connection is not None:
            cast("Telling", connection).rest()
            response.release_conn()
        return _answer(response, body)

    def _failure(self, error: Exception, exchange: Exchange) -> Failure:
        """Say what a failure means: all depends on whether the request had left (RULES §6)."""
        if exchange.left_at is not None:
            if exchange.was_cut:
                return Failure(Cause.NO_ANSWER, _LATE)
            return Failure(Cause.NO_ANSWER, f"the connection broke before the answer: {_words(error)}")
        if isinstance(error, NameResolutionError):
            return Failure(Cause.UNKNOWN_HOST, f"unknown host {urlsplit(self.url).hostname}")
        wrong = _certificate(error)
        if wrong is not None:
            return Failure(Cause.CERTIFICATE, wrong.verify_message)
        if exchange.was_cut:
            return Failure(Cause.NOT_SENT, "no connection in time")
        return Failure(Cause.NOT_SENT, f"no connection: {_words(error)}")


def _answer(response: BaseHTTPResponse, body: bytes) -> Answer:
    headers = response.headers
    after = headers.get("Retry-After")
    return Answer(
        response.status,
        body,
        headers.get("Content-Type", ""),
        retry_after(after, headers.get("Date")) if after else None,
        headers.get("Location"),
    )


def _certificate(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Return the refusal of a certificate that lies at the bottom of an error, if one does."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        if isinstance(error, SSLError) and error.args and isinstance(error.args[0], BaseException):
            error = error.args[0]
        else:
            error = error.__cause__ or error.__context__
        seen += 1
    return None


def _words(error: BaseException) -> str:
    """Return the operating system's words for an error, or its kind."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError) and at.strerror:
            return at.strerror
        at = at.__cause__ or at.__context__
    return type(error).__name__
