"""The one who decides: which events go next and when, and what their outcomes mean.

It alone touches lanes, pace and checkpoint.

Round by round: gather outcomes, choose what goes next, write both in one transaction, hand over. So an intent is with
the operating system before its request leaves, and a slot is free when its verdict is (RULES §6). Only what is claimed
is chosen; a spent claim is renewed between two rounds, when every intent of the old one is written.
"""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from queue import Empty
from zoneinfo import ZoneInfo

from etl.delivery.answers import Answer, Outcome
from etl.delivery.breaker import Breaker
from etl.delivery.checkpoint import Checkpoint, Ruling, State, Tries
from etl.delivery.claims import Claims
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange
from etl.delivery.lanes import Lanes, Place
from etl.delivery.method import Method, Reading
from etl.delivery.outbox import Outbox
from etl.delivery.parcel import Parcel
from etl.delivery.rate import RateLimiter
from etl.delivery.retry import SLOWER, Fatal, Verdict, ended, fatal, is_spent, refused_by, rests, without_answer
from etl.delivery.sender import Done, Senders
from etl.delivery.settings import Progress, Result, Settings, Stopped
from etl.delivery.stop import StopFlag
from etl.delivery.tally import Tally
from etl.errors import Exit

_MEANWHILE = 0.001  # seconds that a first outcome waits for others: a round for several costs little more than for one
_TICK = 0.5  # seconds between two looks at the clock, and two reports, when nothing happens
_GRACE = 1.0  # seconds that a thread has to hand back an exchange whose time is up, when the run ends
_AGAIN = "run the same command again to go on"
_CLOCK_STEP = 1.0  # seconds by which the clock on the wall must jump to be looked at again
_LONGEST_WAIT = 900.0  # seconds that a run waits for its window to open (RULES §7)
_STRANGE_ANSWERS = 3  # answers in a row that do not match their request, after which the run stops (RULES §6)


class Coordinator:
    """One call of `deliver`."""

    def __init__(
        self,
        outbox: Outbox,
        checkpoint: Checkpoint,
        run: int,
        method: Method,
        settings: Settings,
        progress: Callable[[Progress], None],
        stop: StopFlag,
        limit: int | None,
    ) -> None:
        self._outbox, self._checkpoint, self._run, self._settings = outbox, checkpoint, run, settings
        self._progress, self._stop, self._limit = progress, stop, limit
        self._clock = time.monotonic
        self._method = method
        self._url = settings.api.rstrip("/") + method.path
        now = self._clock()
        self._lanes = Lanes(outbox.places(checkpoint.settled(run, settings.on_unknown)), checkpoint.tries(run))
        self._claims = Claims(checkpoint, run, self._lanes, len(outbox), method.max_events, settings.rate, now)
        self._pace = RateLimiter(settings.rate, settings.bulk, now)
        self._breaker = Breaker(settings.concurrency, settings.patience)
        self._tally = Tally(checkpoint.counts(run), len(outbox))
        self._in_flight: dict[Exchange, None] = {}  # in the order of their start, which is that of their deadlines
        self._overdue: set[Exchange] = set()
        self._rulings: list[Ruling] = []
        self._stopped: Stopped | None = None
        self._through = 0  # requests that got a definite verdict
        self._strange = 0  # answers in a row that do not match their request
        self._window_changes = 0.0  # when to look at the window again, seconds since 1970
        self._wall_ahead = 0.0  # of the clock that cannot be set, when the window was looked at
        self._started = self._written = now
        self._requests = self._resent = 0
        self._uncounted_requests = self._uncounted_resent = 0
        self._latency: float | None = None
        self._reports: deque[tuple[float, int]] = deque(maxlen=20)
        self._chance = random.Random()  # noqa: S311  (spreads retries, hides nothing)

    def post(self) -> Result:
        """Post until the outbox is done, or something stops the run."""
        settings = self._settings
        endpoint = Endpoint(self._url, settings.key, ca=settings.ca, direct=settings.direct)
        senders = Senders(settings.concurrency, endpoint, settings.timeout)
        self._stop.on_request(lambda: senders.outcomes.put(None))
        try:
            self._watch_rejected()
            while not self._finished():
                self._look_around()
                if self._stopped is not None and self._must_end():
                    self._abandon(senders)
                    break
                self._hand_over(senders, self._choose())
                if self._claims.spent and self._stopped is None and not self._lanes.empty:
                    in_flight = [place.seq for exchange in self._in_flight for place in exchange.places]
                    self._claims.renew(self._clock(), in_flight)
                    continue
                self._report()
                if self._finished():
                    break
                self._gather(senders)
        finally:
            self._stop.on_request(lambda: None)
            senders.close()
            for exchange in self._in_flight:
                exchange.cut()
        self._claims.release()
        if self._stopped is None and not self._lanes.empty:
            self._stopped = Stopped("limit", f"{self._limit:,} events were sent, as asked; {_AGAIN}", Exit.AGAIN)
        self._report(last=True)
        seconds = self._clock() - self._started
        return Result(self._stopped, self._requests, self._resent, seconds, self._tally.tried, self._warning())

    # The state of the call

    def _finished(self) -> bool:
        if self._in_flight or self._rulings:
            return False
        return self._stopped is not None or self._lanes.empty or self._spent()

    def _spent(self) -> bool:
        """Return whether the limit is reached and nothing of it is left to try again."""
        return self._fresh_left() == 0 and self._lanes.next_retry is None

    def _fresh_left(self) -> int | None:
        return None if self._limit is None else self._limit - self._tally.tried

    def _must_end(self) -> bool:
        """Return whether what is in flight may not be waited for any longer."""
        if self._stop.urgent:
            return True
        cut_all = bool(self._in_flight) and len(self._overdue) == len(self._in_flight)
        if not cut_all:
            return False
        return self._clock() >= max(e.started for e in self._in_flight) + self._settings.timeout + _GRACE

    def _look_around(self) -> None:
        """See to deadlines, signals and patience."""
        now = self._clock()
        for exchange in self._in_flight:
            if exchange in self._overdue:
                continue
            if now < exchange.started + self._settings.timeout:
                break
            exchange.cut()
            self._overdue.add(exchange)
        if self._stopped is not None:
            return
        if self._stop.requested:
            self._stopped = Stopped("interrupted", _AGAIN, Exit.AGAIN)
        else:
            self._watch_window(now)
            self._watch_patience(now)
            self._watch_rest(now)

    def _watch_window(self, now: float) -> None:
        """Let nothing go while the window is closed; end the call where it stays closed for long.

        The window goes by the clock on the wall, which may be set: then it is looked at again.
        """
        window, wall = self._settings.window, time.time()
        if window is None:
            return
        if wall < self._window_changes and abs(wall - now - self._wall_ahead) < _CLOCK_STEP:
            return
        self._wall_ahead = wall - now
        is_open, until = window.look(datetime.fromtimestamp(wall, UTC))
        self._window_changes = until.timestamp()
        wait = 0.0 if is_open else self._window_changes - wall
        self._pace.close(now + wait)
        if wait > _LONGEST_WAIT:
            reason = f"outside delivery.window, which opens at {until.astimezone(ZoneInfo(window.zone)):%Y-%m-%d %H:%M}"
            self._stopped = Stopped(reason, _AGAIN, Exit.AGAIN, resume_at=_iso(until))

    def _watch_patience(self, now: float) -> None:
        since, told = self._breaker.failing_since, max(self._pace.told_until, self._held_until())
        if told - now > self._settings.give_up:
            reason = f"the API asks for a pause of {_span(told - now)}: {self._tally.last_trouble}"
            self._stopped = Stopped(reason, f"given up for now; {_AGAIN}", Exit.AGAIN, resume_at=_iso_in(told - now))
        elif since is not None and (now >= since + self._settings.give_up or told > since + self._settings.give_up):
            resume = max(0.0, told - now)
            self._stopped = Stopped(
                f"nothing got through for {_span(now - since)}: {self._tally.last_trouble}",
                f"given up for now; {_AGAIN}",
                Exit.AGAIN,
                resume_at=_iso_in(resume) if resume else None,
            )

    def _watch_rest(self, now: float) -> None:
        """Stop where nothing is left but events that rest: while nothing gets through, each try may make a copy."""
        if self._stopped is not None or self._in_flight or not self._lanes.only_rest:
            return
        if self._lanes.may_have_more and self._fresh_left() != 0:
            return
        since = self._breaker.failing_since
        self._stopped = Stopped(
            f"nothing got through for {_span(now - (now if since is None else since))}: {self._tally.last_trouble}",
            f"the events left may be there already, and each further try may make a copy; {_AGAIN}, later",
            Exit.AGAIN,
        )

    def _held_until(self) -> float:
        """Return when the next event may be tried again where nothing else can go before; 0 where something can."""
        if self._in_flight or (self._lanes.may_have_more and self._fresh_left() != 0):
            return 0.0
        return self._lanes.next_retry or 0.0

    def _watch_rejected(self) -> None:
        tally, most = self._tally, self._settings.max_rejected
        if self._lanes.empty and not self._in_flight:
            return  # nothing is left that could be spared
        if self._stopped is None and tally.verdicts >= 100 and tally.rejected > most * tally.verdicts:
            self._stopped = Stopped(
                f"the API rejected {tally.rejected:,} of {tally.verdicts:,} events "
                f"({tally.rejected / tally.verdicts:.1%}); delivery.max_rejected is {most:.1%}",
                "`clickreplay rejects JOB` shows what it said of each; mend the job, or raise delivery.max_rejected",
                Exit.GUARD,
                guard="max_rejected",
            )

    # Choosing and sending

    def _choose(self) -> list[Exchange]:
        """Return the requests that may leave now, with the events of each."""
        chosen: list[Exchange] = []
        while self._stopped is None and not self._claims.spent:
            now = self._clock()
            if len(self._in_flight) + len(chosen) >= self._breaker.slots(now) or self._pace.wait(now) > 0:
                break
            probing = self._breaker.probing
            most = 1 if probing else self._method.max_events
            if self._pace.room is not None:
                most = min(most, self._pace.room)
            self._claims.look_ahead()
            parcel = Parcel(self._method, self._outbox, self._claims)
            places = self._lanes.take(now, most, self._fresh_left(), parcel.load, others_first=probing)
            if not places:
                break
            for place in places:
                if place.tries == 1:
                    self._tally.tried += 1
                    place.seen = self._through - self._breaker.healthy
            chosen.append(Exchange(places, parcel.wrapped(), now, self._pace.take(now, len(places))))
        return chosen

    def _hand_over(self, senders: Senders, chosen: list[Exchange]) -> None:
        """Write the verdicts and the intents in one transaction, then let the requests go."""
        if not chosen and not self._rulings:
            return
        now = self._clock()
        resent = sum(place.doubts > 0 for exchange in chosen for place in exchange.places)
        requests, repeats = len(chosen) + self._uncounted_requests, resent + self._uncounted_resent
        self._checkpoint.record(
            self._run,
            rulings=self._rulings,
            intents=[place.seq for exchange in chosen for place in exchange.places],
            requests=requests,
            resent=repeats,
            seconds=now - self._written,
        )
        self._rulings = []
        self._written = now
        self._requests += requests
        self._resent += repeats
        self._uncounted_requests = self._uncounted_resent = 0
        for exchange in chosen:
            exchange.started = now
            self._in_flight[exchange] = None
            senders.post(exchange)

    # Outcomes

    def _gather(self, senders: Senders) -> None:
        """Wait until something may happen, and take in what came."""
        wait = self._wait()
        try:
            done = senders.outcomes.get(timeout=wait) if wait > 0 else senders.outcomes.get_nowait()
            if len(self._in_flight) > 1:
                time.sleep(_MEANWHILE)
            while True:
                if done is not None:
                    senders.returned()
                    self._take_in(done)
                done = senders.outcomes.get_nowait()
        except Empty:
            return

    def _wait(self) -> float:
        """Return how long nothing can happen but an outcome."""
        now = self._clock()
        at = now + _TICK
        for exchange in self._in_flight:
            if exchange not in self._overdue:
                at = min(at, exchange.started + self._settings.timeout)
                break
        if self._stopped is None and len(self._in_flight) < max(1, self._breaker.slots(now)):
            ready = max(now + self._pace.wait(now), self._breaker.next_try)
            retry = self._lanes.next_retry
            if self._lanes.may_have_more and self._fresh_left() != 0:
                at = min(at, ready)
            elif retry is not None:
                at = min(at, max(ready, retry))
        return max(0.0, at - now)

    def _take_in(self, done: Done) -> None:
        exchange, outcome = done
        if isinstance(outcome, BaseException):
            raise outcome
        del self._in_flight[exchange]
        self._overdue.discard(exchange)
        now = self._clock()
        wrong = fatal(outcome, self._url, ever_through=self._tally.delivered > 0)
        if wrong is not None:
            self._refuse(exchange, outcome, wrong)
            return
        held_until, slower = now, isinstance(outcome, Answer) and outcome.status in SLOWER
        if isinstance(outcome, Answer):
            reading = self._method.read(outcome, exchange.body, [place.doubts > 0 for place in exchange.places])
            if slower:
                self._pace.refused(now, exchange.started, outcome.retry_after)
                held_until = now + (outcome.retry_after or 0.0)
        else:
            reading = Reading([without_answer(outcome)] * len(exchange.places))
        if reading.refused_whole or any(v.state in (State.DELIVERED, State.REJECTED) for v in reading.verdicts):
            self._through += 1
            self._breaker.through(now)
            self._lanes.wake(now)
            self._pace.passed(now)
            latency = now - exchange.started
            self._latency = latency if self._latency is None else self._latency + (latency - self._latency) / 50
        else:
            repeat = any(place.doubts > 0 for place in exchange.places)
            self._breaker.failed(now, exchange.started, slower=slower, repeat=repeat)
            self._tally.trouble(outcome)
        if reading.refused_whole:
            for place in exchange.places:
                place.company = max(1, len(exchange.places) // 2)
        self._rule(
            exchange,
            reading.verdicts,
            left=exchange.left_at is not None,
            at_once=reading.refused_whole,
            held_until=held_until,
        )
        self._watch_rejected()
        if isinstance(outcome, Answer):
            self._watch_answers(reading)
        self._watch_rest(now)

    def _watch_answers(self, reading: Reading) -> None:
        """Stop the run where an answer says that it cannot go on, or answers do not fit what was asked."""
        self._strange = self._strange + 1 if reading.mismatch else 0
        if reading.fatal is not None:
            self._refused(reading.fatal)
        elif self._strange >= _STRANGE_ANSWERS and self._stopped is None:
            self._stopped = Stopped(
                f"{self._strange} answers in a row do not match their requests: {reading.verdicts[0].detail}",
                "nobody can tell what was accepted: ask the API's support what its answer means, then run again",
                Exit.GUARD,
                guard="answers",
            )

    def _refuse(self, exchange: Exchange, outcome: Outcome, wrong: Fatal) -> None:
        """Stop the run; the events themselves are not to blame, and wait for the next call."""
        verdicts = [refused_by(outcome, wrong)] * len(exchange.places)
        self._rule(exchange, verdicts, left=exchange.left_at is not None, counts=False)
        self._refused(wrong)

    def _refused(self, wrong: Fatal) -> None:
        if self._stopped is None or self._stopped.exit is not Exit.REFUSED:
            self._stopped = Stopped(wrong.reason, f"{wrong.hint}; then {_AGAIN}", Exit.REFUSED)

    def _rule(
        self,
        exchange: Exchange,
        verdicts: Sequence[Verdict],
        *,
        left: bool,
        at_once: bool = False,
        held_until: float = 0.0,
        counts: bool = True,
    ) -> None:
        """Say what becomes of each event: its turn is over, or it goes again (`at_once`, or after a while)."""
        if not left:
            self._uncounted_requests -= 1
            self._pace.stayed(exchange.departure)
        now = self._clock()
        rulings: dict[tuple[int, bool, int, int, bool], tuple[Verdict, list[int]]] = {}
        for place, said in zip(exchange.places, verdicts, strict=True):
            was_unknown = place.doubts > 0
            strikes, calls = (0, 0) if at_once or not counts else self._count(place, said)
            if said.state is State.UNKNOWN:
                place.doubts += 1
                self._claims.doubt(place.seq)
            tries = Tries(place.doubts, place.strikes, place.calls, place.since)
            over = said.state is State.REJECTED or (strikes + calls > 0 and is_spent(tries, said.state, time.time()))
            verdict = ended(said, tries) if over else said
            kind = (id(said), was_unknown, strikes, calls, over)
            if kind in rulings:
                rulings[kind][1].append(place.seq)
            else:
                rulings[kind] = (verdict, [place.seq])
            if over or not self._goes_again(said.state):
                self._lanes.done(place)
            elif not strikes and not at_once and rests(tries, said.state):
                self._lanes.rest(place)
            else:
                wait = 0.0 if at_once else self._backoff(place, said.state)
                self._lanes.again(place, max(held_until, now + wait))
        said_of = {id(said): said for said in verdicts}
        for (said_id, was_unknown, strikes, calls, over), (verdict, seqs) in rulings.items():
            said = said_of[said_id]
            surely_not = said.state in (State.RETRY, State.REJECTED)
            if was_unknown and (not left or surely_not):
                self._uncounted_resent -= len(seqs)  # surely no second copy
            # A refusal says nothing of the tries before: an event that may be there already stays so.
            state = State.UNKNOWN if surely_not and was_unknown else verdict.state
            doubt = said.state is State.UNKNOWN
            final = over and state is State.UNKNOWN
            self._rulings.append(
                Ruling(seqs, state, verdict.status, verdict.detail, doubt, left, strikes, calls, final)
            )
            self._tally.move(State.UNKNOWN if was_unknown else None, state, len(seqs))

    def _count(self, place: Place, said: Verdict) -> tuple[int, int]:
        """Count a try in vain: as a strike where others got through meanwhile, else once in a call. Return what is new.

        A connection that was not made says nothing of the event.
        """
        if said.state not in (State.RETRY, State.UNKNOWN) or (said.state is State.RETRY and said.status is None):
            return 0, 0
        strikes = int(said.own or self._through > place.seen)
        calls = int(not strikes and not place.counted)
        if strikes:
            place.seen = self._through
        place.counted = place.counted or bool(calls)
        place.strikes += strikes
        place.calls += calls
        if place.since is None and (strikes or calls):
            place.since = time.time()
        return strikes, calls

    def _goes_again(self, state: State) -> bool:
        if state is State.UNKNOWN:
            return self._settings.on_unknown == "resend"
        return state is State.RETRY

    def _backoff(self, place: Place, state: State) -> float:
        patience = self._settings.patience
        steep = 4.0 if state is State.UNKNOWN else 2.0  # each try may make a copy: few, over a longer time
        most = min(patience.most, patience.first * steep ** min(place.tries - 1, 30))
        return most * self._chance.uniform(0.5, 1.0)

    def _abandon(self, senders: Senders) -> None:
        """End at once: what has left is unknown, what has not never will."""
        while True:
            try:
                done = senders.outcomes.get_nowait()
            except Empty:
                break
            if done is not None:
                self._take_in(done)
        for exchange in list(self._in_flight):
            del self._in_flight[exchange]
            left = exchange.cut()
            verdict = (
                Verdict(State.UNKNOWN, None, "no answer was waited for")
                if left
                else Verdict(State.RETRY, None, "not sent")
            )
            self._rule(exchange, [verdict] * len(exchange.places), left=left)
        self._overdue.clear()
        self._hand_over(senders, [])

    # Telling

    def _report(self, *, last: bool = False) -> None:
        now = self._clock()
        if not last and self._reports and now - self._reports[-1][0] < _TICK:
            return
        self._reports.append((now, self._requests))
        (since, before) = self._reports[0]
        spent = now - since
        self._progress(
            Progress(
                done=self._tally.done,
                total=self._tally.total,
                rate=(self._requests - before) / spent if spent > 0 else 0.0,
                delivered=self._tally.delivered,
                rejected=self._tally.rejected,
                unknown=self._tally.unknown,
                waiting=None if last else self._waiting(now),
                warning=self._warning(),
            )
        )

    def _waiting(self, now: float) -> str | None:
        if self._stopped is not None:
            return f"waiting for {len(self._in_flight)} requests in flight"
        pause = self._pace.paused_until - now
        if pause > 1:
            return f"pausing for {_span(pause)}"
        since = self._breaker.failing_since
        return (
            f"nothing gets through for {_span(now - since)}: {self._tally.last_trouble}"
            if since is not None and now - since > 5
            else None
        )

    def _warning(self) -> str | None:
        rate, latency, slots = self._settings.rate, self._latency, self._settings.concurrency
        if latency is None or math.isinf(rate) or rate * latency <= slots:
            return None
        return (
            f"{rate:g} requests a second at {latency * 1000:,.0f} ms each need {math.ceil(rate * latency)} in flight; "
            f"delivery.concurrency is {slots}"
        )


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _iso_in(seconds: float) -> str:
    try:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC, microsecond=0).isoformat()
    return _iso(at)


def _iso(at: datetime) -> str:
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
