"""Threads that post: take an exchange, hand back its outcome. They decide nothing."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from etl.delivery.answers import Outcome
from etl.delivery.endpoint import Endpoint
from etl.delivery.exchange import Exchange
from etl.delivery.transport import Transport

Done = tuple[Exchange, Outcome | BaseException]


class Senders:
    """As many threads as there may be requests in flight, each with its own connection, started when first needed.

    `outcomes` is where they put what came of each exchange; None there only wakes the one who waits.
    """

    def __init__(self, count: int, endpoint: Endpoint, timeout: float) -> None:
        self.outcomes: SimpleQueue[Done | None] = SimpleQueue()
        self._work: SimpleQueue[Exchange | None] = SimpleQueue()
        self._count, self._threads = count, 0
        self._endpoint, self._timeout = endpoint, timeout
        self._busy = 0

    def post(self, exchange: Exchange) -> None:
        """Hand over an exchange; at most `count` may be under way."""
        self._busy += 1
        if self._busy > self._threads and self._threads < self._count:
            self._threads += 1
            threading.Thread(target=self._run, name=f"sender-{self._threads}", daemon=True).start()
        self._work.put(exchange)

    def returned(self) -> None:
        """Note that an exchange came back."""
        self._busy -= 1

    def close(self) -> None:
        """Let the threads end when what they have in hand has."""
        for _ in range(self._threads):
            self._work.put(None)

    def _run(self) -> None:
        transport = Transport(self._endpoint, self._timeout)
        try:
            while (exchange := self._work.get()) is not None:
                try:
                    self.outcomes.put((exchange, transport.post(exchange)))
                except BaseException as error:
                    self.outcomes.put((exchange, error))
        finally:
            transport.close()
