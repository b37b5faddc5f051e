"""Which outcome an answer is for an event and for the whole run, and when an event that was tried in vain ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from etl.delivery.answers import Answer, Cause, Failure, Outcome
from etl.delivery.checkpoint import DOUBTS_AT_MOST, State, Tries
from etl.masking import NOTHING_KNOWN, Known, snippet

#: Refused for now: surely not accepted, safe to retry.
FOR_NOW = frozenset({408, 429, 503})
#: Answers by which the server asks for a lower pace.
SLOWER = frozenset({429, 503})
#: Answers of a wrong address, as long as nothing has got through: not of the API, or of another method of it.
_ADDRESS = frozenset({404, 405, 406, 407, 410, 411, 415})
#: Tries in vain after which an event ends, and how long they take at least where nothing else got through meanwhile.
REFUSALS_AT_MOST = 20
_A_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an outcome means for one event: DELIVERED, REJECTED, UNKNOWN or RETRY.

    `own`: the API speaks of this event, so that it is no outage.
    """

    state: State
    status: int | None = None
    detail: str | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Fatal:
    """Why no event can be sent: exit 77, the event itself is not to blame."""

    reason: str
    hint: str


def is_spent(tries: Tries, state: State, now: float) -> bool:
    """Return whether an event that was tried in vain once more (`state` RETRY or UNKNOWN) is not tried again.

    Tries while others got through count in full. An outage uses up nobody's: while nothing gets through, a call counts
    one try of an event at most, and what was counted so ends an event after a day at the earliest.
    """
    most = DOUBTS_AT_MOST if state is State.UNKNOWN and tries.doubts >= DOUBTS_AT_MOST else REFUSALS_AT_MOST
    aged = tries.since is not None and now - tries.since >= _A_DAY
    return tries.strikes >= most or (aged and tries.strikes + tries.calls >= most)


def rests(tries: Tries, state: State) -> bool:
    """Return whether an event is not tried again before something else gets through, or in the next call.

    Each try without a verdict may have made a copy: while nothing gets through, an event has a few of them in all, and
    then one in each call.
    """
    return state is State.UNKNOWN and tries.doubts >= DOUBTS_AT_MOST


def ended(verdict: Verdict, tries: Tries) -> Verdict:
    """Return the verdict of an event that is not tried again: unknown where it may be there from an earlier try."""
    if verdict.state is State.UNKNOWN or tries.doubts > 0:
        return replace(verdict, state=State.UNKNOWN)
    if verdict.state is not State.RETRY:
        return verdict
    detail = f"refused for now {tries.strikes + tries.calls} times: {verdict.detail or ''}".strip(": ")
    return Verdict(State.REJECTED, verdict.status, detail)


def judge(status: int, *, doubted: bool) -> State:
    """Return what a status says of one event; `doubted` when the outcome of an earlier try is unknown.

    For statuses that are not fatal.
    """
    if 200 <= status < 300:
        return State.DELIVERED
    if status in FOR_NOW:
        return State.RETRY
    if status == 409 and doubted:
        return State.DELIVERED  # the server has it from that earlier try
    return State.REJECTED if 400 <= status < 500 else State.UNKNOWN


def verdict(answer: Answer, *, doubted: bool, known: Known = NOTHING_KNOWN) -> Verdict:
    """Return the verdict of an answer that speaks of one event; `known` is the contact data that its request carried."""
    if answer.accepts and answer.unreadable is not None:
        return Verdict(State.UNKNOWN, answer.status, answer.unreadable)
    state = judge(answer.status, doubted=doubted)
    if answer.status == 404 or (answer.status == 403 and answer.is_page):
        state = State.RETRY  # of something between, that knows the API no more for a while
    said = None if state is State.DELIVERED else answer.unreadable or snippet(answer.body, known)
    return Verdict(state, answer.status, said)


def refused_by(outcome: Outcome, wrong: Fatal) -> Verdict:
    """Return what a fatal outcome means for each event of its request: a 2xx may have accepted it, all else has not."""
    if not isinstance(outcome, Answer):
        return Verdict(State.RETRY, None, wrong.reason)
    return Verdict(State.UNKNOWN if outcome.accepts else State.RETRY, outcome.status, wrong.reason)


def without_answer(failure: Failure) -> Verdict:
    """Return what a failure means for each event of its request."""
    return Verdict(State.UNKNOWN if failure.cause is Cause.NO_ANSWER else State.RETRY, None, failure.detail)


def fatal(outcome: Outcome, url: str, *, ever_through: bool) -> Fatal | None:
    """Return what makes it useless to go on, if anything; `ever_through` when this run has got something through."""
    if isinstance(outcome, Failure):
        return _fatal_failure(outcome, url, ever_through=ever_through)
    status = outcome.status
    if status == 401:
        return Fatal("the API refused the key (401)", "check the key; one that was not used for 90 days is disabled")
    if status == 403 and not (outcome.is_page and ever_through):
        if outcome.is_page:
            return Fatal(
                f"{url} answers with a web page (403): a firewall or a proxy between, not the API",
                "check delivery.api, and what stands between (a firewall, a proxy): let this machine through",
            )
        return Fatal(
            "the key has no right to send events (403)", "give the key the right to events in the account's settings"
        )
    if status in _ADDRESS and not ever_through:
        what = "there is no such method at" if status == 404 else "no event may be posted to"
        return Fatal(f"{what} {url} ({status})", "check delivery.api, and what stands between (a proxy, a login)")
    if 300 <= status < 400:
        host = urlsplit(outcome.location or "").netloc.rpartition("@")[2]
        where = f" to {host}" if host else ""
        return Fatal(
            f"{url} redirects{where} ({status})",
            "put the final address into delivery.api: a key never follows a redirect",
        )
    if outcome.accepts and outcome.is_page:
        return Fatal(
            f"{url} answers with a web page ({status}), so it is not the API",
            "check delivery.api, and what stands between (a proxy, a login)",
        )
    return None


def _fatal_failure(failure: Failure, url: str, *, ever_through: bool) -> Fatal | None:
    if failure.cause is Cause.CERTIFICATE:
        return Fatal(
            f"the certificate of {urlsplit(url).hostname} is not to be trusted: {failure.detail}",
            "for an authority of your own name its certificate in delivery.ca (or in SSL_CERT_FILE); "
            "else check delivery.api and the clock",
        )
    if failure.cause is Cause.UNKNOWN_HOST and not ever_through:
        return Fatal(failure.detail, "check delivery.api and the network")
    return None
