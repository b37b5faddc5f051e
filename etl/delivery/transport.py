"""From an exchange to its outcome, over one kept connection. One transport a thread. Redirects are not followed.

The line that all depends on is `exchange.leave`, right before the first byte of a request: what fails before it never left
and is safe to retry; from there on a byte may have arrived, and the outcome is unknown.
"""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPException, IncompleteRead, RemoteDisconnected

from urllib3.exceptions import HTTPError

from etl.delivery.answers import Cause, Failure, Outcome
from etl.delivery.connection import Connection
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange, TooLateError

_LATE = "no answer in time"
_CLOSED = "the connection broke before the answer: the server closed it"
_CONNECT = 10.0  # seconds, or the whole timeout where that is less
_TUNNEL = "Tunnel connection failed: "  # how http.client begins what a proxy answers to CONNECT
_LONGEST = 200


class Transport:
    """Requests to one endpoint, one at a time.

    `timeout` in seconds is for each step of connecting; whoever posts an exchange cuts it when its time is up.
    """

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = min(_CONNECT, timeout)
        self._connection: Connection | None = None

    def post(self, exchange: Exchange) -> Outcome:
        """Send a request and return its outcome; never raises for what the network or the server do."""
        try:
            connection = self._connected(exchange)
            exchange.tie(connection.cord)
            outcome: Outcome = connection.ask(exchange.body, exchange.leave)
        except TooLateError:
            outcome = Failure(Cause.NOT_SENT, "no connection in time")
        except (OSError, ValueError, HTTPException, HTTPError) as error:
            left = exchange.left_at is not None
            outcome = self._no_answer(error) if left else self._no_connection(error, exchange)
        finally:
            exchange.tie(None)
        if exchange.was_cut or self._connection is None or not self._connection.keeps:
            self.close()
        if exchange.was_cut and exchange.left_at is not None:
            return Failure(Cause.NO_ANSWER, _LATE)  # what looks like the end of an answer may be our own cut
        return outcome

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self, exchange: Exchange) -> Connection:
        """Return the connection, a new one where the last can no longer be used."""
        connection = self._connection
        if connection is None or not connection.is_usable:
            self.close()
            connection = self._connection = Connection(self._endpoint, self._timeout, exchange)
        return connection

    def _no_connection(self, error: Exception, exchange: Exchange) -> Failure:
        """Say why nothing left."""
        endpoint, whom = self._endpoint, self._endpoint.addresses
        by = f" (the proxy {whom.host}:{whom.port})" if endpoint.proxy else ""
        if isinstance(error, (socket.gaierror, UnicodeError)):
            return Failure(Cause.UNKNOWN_HOST, f"unknown host {whom.host}{by}")
        if isinstance(error, ssl.SSLCertVerificationError):
            return Failure(Cause.CERTIFICATE, f"{error.verify_message}{by.replace('(', '(through ')}")
        said = self._words(error)
        if isinstance(error, (IncompleteRead, RemoteDisconnected)):
            said = "it was closed at once"
        elif isinstance(error, HTTPException):
            said = f"the answer is not HTTP: {said}"
        if said.startswith(_TUNNEL):
            refused = f"the proxy {whom.host}:{whom.port} makes no connection to {endpoint.host}:{endpoint.port}"
            return Failure(Cause.NOT_SENT, f"{refused}: {said.removeprefix(_TUNNEL)}")
        if exchange.was_cut:
            tried = f": {said}{by}" if isinstance(error, TimeoutError) and str(error) else ""
            return Failure(Cause.NOT_SENT, f"no connection in time{tried}")
        return Failure(Cause.NOT_SENT, f"no connection: {said}{by}")

    def _no_answer(self, error: Exception) -> Failure:
        """Say why there is no whole answer to what left."""
        cause = next((each for each in (error, *error.args) if isinstance(each, OSError | HTTPException)), error)
        if isinstance(cause, (IncompleteRead, RemoteDisconnected)):
            return Failure(Cause.NO_ANSWER, _CLOSED)
        if isinstance(cause, OSError):
            return Failure(Cause.NO_ANSWER, f"the connection broke before the answer: {self._words(cause)}")
        return Failure(Cause.NO_ANSWER, f"the answer is not HTTP: {self._words(cause)}")

    def _words(self, error: Exception) -> str:
        """Return the operating system's words for an error, or its kind; servers may have put in what they like."""
        said = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        plain = "".join(char if char.isprintable() else " " for char in self._endpoint.secrets.cut_text(said))
        return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
