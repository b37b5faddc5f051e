"""From an exchange to its outcome, over one kept connection. One transport a thread. Redirects are not followed."""

from __future__ import annotations

import socket
import ssl

from etl.delivery.answer_reader import BrokenAnswerError
from etl.delivery.answers import Cause, Failure, Outcome
from etl.delivery.connection import Connection
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange, TooLateError

_LATE = "no answer in time"
_CONNECT = 10.0  # seconds, or the whole timeout where that is less


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
        request = self._endpoint.request(exchange.body)
        try:
            connection = self._connected(exchange)
            exchange.tie(connection.cord)
            exchange.leave()
            outcome: Outcome = connection.ask(request)
        except TooLateError:
            outcome = Failure(Cause.NOT_SENT, "no connection in time")
        except (OSError, UnicodeError, BrokenAnswerError) as error:
            outcome = self._failure(error, exchange)
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

    def _failure(self, error: Exception, exchange: Exchange) -> Failure:
        """Say what a failure means: all depends on whether the request had left (RULES §6)."""
        if isinstance(error, BrokenAnswerError):
            return Failure(Cause.NO_ANSWER, str(error))
        if exchange.left_at is not None:
            return Failure(Cause.NO_ANSWER, f"the connection broke before the answer: {_words(error)}")
        if isinstance(error, (socket.gaierror, UnicodeError)):
            return Failure(Cause.UNKNOWN_HOST, f"unknown host {self._endpoint.host}")
        if isinstance(error, ssl.SSLCertVerificationError):
            return Failure(Cause.CERTIFICATE, error.verify_message)
        if exchange.was_cut:
            return Failure(Cause.NOT_SENT, "no connection in time")
        return Failure(Cause.NOT_SENT, f"no connection: {_words(error)}")


def _words(error: Exception) -> str:
    """Return the operating system's words for an error, or its kind."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
