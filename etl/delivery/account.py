"""Whose key it is: asked before the first event (DESIGN, promise 7)."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass

from etl.delivery.answers import Answer, Cause, Failure
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange
from etl.delivery.retry import fatal
from etl.delivery.transport import Transport
from etl.errors import RefusedError

_PATH = "/v1/account/info"


@dataclass(frozen=True, slots=True)
class Account:
    """The organisation that the API names; None where it does not say, and then `warning` says why."""

    organisation: str | None
    warning: str | None


def check_account(api: str, key: str, *, timeout: float = 30.0, ca: str | None = None) -> Account:
    """Ask the API whose key this is: GET {api}/v1/account/info, in `timeout` seconds in all.

    Raises RefusedError for a refused key (401), a wrong certificate and an unknown host; anything else is a warning,
    since the key may lack that right (403), a server may lack that answer, and the first event will tell the rest.
    """
    outcome = _ask(api, key, timeout, ca)
    if isinstance(outcome, Failure):
        found = fatal(outcome, api, ever_through=False)
        if found is not None:
            raise RefusedError(found.reason, hint=found.hint)
        return _unsaid(outcome.detail)
    if outcome.status == 401:
        raise RefusedError(
            "the API refused the key (401)", hint="check the key; one that was not used for 90 days is disabled"
        )
    if outcome.status == 403:
        return _unsaid("the key has no right to ask (403)")
    if outcome.unreadable is not None:
        return _unsaid(outcome.unreadable)
    if outcome.status != 200:
        return _unsaid(f"it answered {outcome.status}")
    name = _organisation(outcome.body)
    return Account(name, None) if name else _unsaid("its answer names none")


def _ask(api: str, key: str, timeout: float, ca: str | None) -> Answer | Failure:
    transport = Transport(Endpoint(api.rstrip("/") + _PATH, key, verb="GET", ca=ca), timeout)
    exchange = Exchange([], b"", time.monotonic())
    deadline = threading.Timer(timeout, exchange.cut)
    deadline.daemon = True
    deadline.start()
    try:
        outcome = transport.post(exchange)
        if isinstance(outcome, Failure) and outcome.cause is Cause.NO_ANSWER and exchange.was_cut:
            return Failure(Cause.NO_ANSWER, f"no answer within {timeout:g} seconds")
        return outcome
    finally:
        deadline.cancel()
        transport.close()


def _organisation(body: bytes) -> str | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    name = said.get("organisationName") if isinstance(said, dict) else None
    return name.strip() or None if isinstance(name, str) else None


def _unsaid(why: str) -> Account:
    return Account(None, f"could not ask the API whose key this is: {why}")
