"""The stand-in itself: HTTP on the outside, contract, faults and record within (api-facts.md §4).

Order of the checks: path (404), verb (405), key (401, 403), limit (429), a fault before recording, media type (415),
size (413), body (400), repeat (409); then the record; then a fault after it. Delays come after the record too: who
gives up waiting finds the event accepted.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from etl.errors import JobError
from etl.sandbox import access
from etl.sandbox.answers import ACCEPTED, Answer, RefusalError, as_json, page, text
from etl.sandbox.contract import BATCH_EVENTS, EVENT_BYTES, Event, read_batch, read_event
from etl.sandbox.faults import BEFORE, ON_THE_WIRE, SILENT, Faults, retry_after
from etl.sandbox.limits import Repeats, Window
from etl.sandbox.recorder import Arrival, Recorder
from etl.sandbox.settings import Settings

EVENT = "event"
PAST_EVENTS = "past_events"
INFO = "info"

#: Path to verb and method.
ROUTES = {
    "/api/v2/event": ("POST", EVENT),
    "/api/v2/past_events": ("POST", PAST_EVENTS),
    "/api/v1/account/info": ("GET", INFO),
}

# A full batch of the largest events, and what wraps them.
_LARGEST_BODY = BATCH_EVENTS * (EVENT_BYTES + 1) + 64 * 1024
_LAST_WAIT = 1.0
_HANG_LOOK = 0.25


def _is_ours(record: logging.LogRecord) -> bool:
    # What is no HTTP gets its 400; a traceback of it would look like a bug of the sandbox.
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | RequestPayloadError))


_LOG = logging.getLogger(__name__)
_LOG.addFilter(_is_ours)


@dataclass(frozen=True, slots=True)
class _Outcome:
    answer: Answer
    events: tuple[Event, ...] = ()
    fault: str | None = None


class Sandbox:
    """One stand-in server, writing to `record`; `requests` and `accepted` (by type) count what this one took."""

    def __init__(self, record: Path, settings: Settings | None = None) -> None:
        self.requests = 0
        self.accepted: Counter[str] = Counter()
        self._record = record
        self._settings = settings or Settings()
        self._faults = Faults(self._settings.misbehaviour)
        self._windows = {
            EVENT: Window(self._settings.limit_event),
            PAST_EVENTS: Window(self._settings.limit_past_events),
            INFO: Window(self._settings.limit_other),
        }
        self._repeats = Repeats(self._settings.repeat_409)
        self._posts = 0
        # Wall clock at the start, steady from then on: pace is measured with it.
        self._epoch = time.time() - time.monotonic()

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve while the context is open, at the API's address that it gives; port 0 is any free one.

        Raises JobError when the port or the record cannot be had.
        """
        self._recorder = Recorder(self._record)
        self._closing = asyncio.Event()
        server = web.Server(
            self._handle,
            request_factory=_request,
            access_log=None,
            logger=_LOG,
            auto_decompress=False,
            keepalive_timeout=self._settings.keep_alive,
        )
        try:
            try:
                listener = await asyncio.get_running_loop().create_server(server, host, port, backlog=1024)
            except OSError as error:
                raise JobError(
                    f"sandbox: cannot listen on {host} port {port}: {error.strerror}",
                    hint="Another sandbox may be running; --port 0 takes a free port.",
                ) from error
            try:
                name = f"[{host}]" if ":" in host else host
                yield f"http://{name}:{listener.sockets[0].getsockname()[1]}/api"
            finally:
                self._closing.set()
                listener.close()
                server.pre_shutdown()
                await server.shutdown(_LAST_WAIT)
        finally:
            self._recorder.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        at = self._epoch + time.monotonic()
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            raw = await self._read(request)
        except ConnectionError:
            # It never arrived whole: nothing to record, nobody to answer.
            return web.Response()
        route = ROUTES.get(request.path)
        outcome = _unknown(_printable(request.path)) if route is None else self._decide(request, route, raw, at)
        await self._record_it(_printable(request.path), "" if route is None else route[1], outcome, at)
        return await self._reply(request, outcome)

    async def _read(self, request: web.BaseRequest) -> bytes | RefusalError:
        """Return the body, or what the API says when it is too much or no valid HTTP."""
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return RefusalError(self._settings.too_large, f"the body is larger than {_LARGEST_BODY} bytes")
        except RequestPayloadError:
            return RefusalError(400, "the body is not what its headers say")

    def _decide(
        self, request: web.BaseRequest, route: tuple[str, str], raw: bytes | RefusalError, at: float
    ) -> _Outcome:
        verb, method = route
        misbehaviour = self._settings.misbehaviour
        if request.method != verb:
            return _Outcome(text(405, f"expected {verb}", ("Allow", verb)))
        if method != INFO:
            self._posts += 1
        if misbehaviour.unauthorised_from is not None and self._posts >= misbehaviour.unauthorised_from:
            return _Outcome(access.unauthorised(), fault="unauthorised")
        refusal = access.refusal(request.headers.get("Authorization"), self._settings, info=method == INFO)
        if refusal is not None:
            return _Outcome(refusal)
        if not self._windows[method].admits(at):
            return _Outcome(self._later(429, "too many requests in this second", at))
        if method == INFO:
            return _Outcome(
                as_json({"userEmail": self._settings.email, "organisationName": self._settings.organisation})
            )
        fault = self._faults.draw(batch=method == PAST_EVENTS)
        if fault in BEFORE:
            return _Outcome(self._fault_answer(fault, at), fault=fault)
        try:
            return self._accept(method, request, raw, at, fault)
        except RefusalError as refused:
            return _Outcome(text(refused.status, refused.text), fault=fault if fault in ON_THE_WIRE else None)

    def _accept(
        self, method: str, request: web.BaseRequest, raw: bytes | RefusalError, at: float, fault: str | None
    ) -> _Outcome:
        """Return what becomes of a body; raises RefusalError."""
        if request.content_type != "application/json":
            raise RefusalError(415, "expected Content-Type application/json")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise RefusalError(415, "compressed bodies are not documented")
        if isinstance(raw, RefusalError):
            raise raw
        if method == EVENT:
            events: tuple[Event, ...] = (read_event(raw, self._settings),)
            answer = ACCEPTED
            self._refuse_repeat(raw, at)
        else:
            clean = read_batch(raw, self._settings, datetime.fromtimestamp(at, UTC))
            self._refuse_repeat(raw, at)
            batch = self._faults.spoil(clean)
            if batch != clean and fault is None:
                fault = "server_error"
            events = batch.accepted()
            answer = batch.answer(missing=1 if fault == "wrong_count" else 0)
        if events:
            self._repeats.remember(raw, at)
        if fault == "500_after":
            answer = text(500, "internal error")
        return _Outcome(answer, events, fault)

    def _refuse_repeat(self, raw: bytes, at: float) -> None:
        if self._repeats.seen(raw, at):
            raise RefusalError(409, "the same request came a moment ago")

    def _fault_answer(self, fault: str | None, at: float) -> Answer:
        if fault == "html":
            return page()
        if fault == "429":
            return self._later(429, "too many requests", at)
        if fault == "503":
            return self._later(503, "service unavailable", at)
        return text(500, "internal error")

    def _later(self, status: int, line: str, at: float) -> Answer:
        return text(status, line, *retry_after(self._settings.misbehaviour, at))

    async def _record_it(self, path: str, method: str, outcome: _Outcome, at: float) -> None:
        status = 0 if outcome.fault in SILENT else outcome.answer.status
        await self._recorder.add(Arrival(at, path, status, outcome.fault, method, outcome.events))
        self.requests += 1
        self.accepted.update(event.type for event in outcome.events)

    async def _reply(self, request: web.BaseRequest, outcome: _Outcome) -> web.StreamResponse:
        misbehaviour = self._settings.misbehaviour
        answer = outcome.answer
        delay = misbehaviour.latency + (misbehaviour.slow if outcome.fault == "slow" else 0)
        if delay:
            await asyncio.sleep(delay)
        match outcome.fault:
            case "reset_before" | "reset_after":
                _reset(request)
            case "hang_before" | "hang_after":
                await self._hang(request)
            case "half":
                _half(request, answer)
            case _:
                pass
        headers = dict(answer.headers)
        if answer.content_type is not None:
            headers["Content-Type"] = answer.content_type
        # After a reset or a half answer the connection is closed, and aiohttp drops this one.
        return web.Response(status=answer.status, body=answer.body or None, headers=headers)

    async def _hang(self, request: web.BaseRequest) -> None:
        """Say nothing until the client is gone or the server stops."""
        while not self._closing.is_set() and request.transport is not None:
            try:
                await asyncio.wait_for(self._closing.wait(), _HANG_LOOK)
            except TimeoutError:
                continue
        _reset(request)


def _printable(path: str) -> str:
    """Return the path as text that can be stored: bytes that are no UTF-8 may come in as half characters."""
    return path[:200].encode(errors="replace").decode()


def _unknown(path: str) -> _Outcome:
    return _Outcome(text(404, f"there is no {path} here; known are {', '.join(ROUTES)}"))


def _reset(request: web.BaseRequest) -> None:
    """Close the connection with a RST, whatever is still to be sent."""
    transport = request.transport
    if transport is None:
        return
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _half(request: web.BaseRequest, answer: Answer) -> None:
    """Send the head and half of the body that it promises, then close."""
    transport = request.transport
    if transport is None:
        return
    body = answer.body or b'{"status":"ok"}'
    head = f"HTTP/1.1 {answer.status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    transport.write(head.encode() + body[: len(body) // 2])
    transport.close()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """Make a request as aiohttp does, with room for a whole batch."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)
