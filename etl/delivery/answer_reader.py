"""From the bytes of a connection to an answer. llhttp reads HTTP, strictly; here is what delivery makes of it."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from etl.delivery.answers import Answer, retry_after

_HEAD = 256 * 1024  # bytes that may come before the end of a head
_BODY = 4 * 1024 * 1024  # bytes of a body that are kept


class BrokenAnswerError(Exception):
    """What came is not a whole answer; says why."""


class AnswerReader:
    """Reads the answers of one connection, one after the other.

    `begin`, then `feed` until it returns True, then `answer`. Where `keeps` is False, the connection cannot be used
    again.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.begin()

    def begin(self) -> None:
        """Expect an answer."""
        self._headers: dict[bytes, bytes] = {}
        self._status = 0  # until the head has ended
        self._pieces: list[bytes] = []
        self._came = 0  # bytes of the head as long as it has not ended, then of the body
        self._whole = False
        self.keeps = False

    def feed(self, data: bytes) -> bool:
        """Take what came, nothing when the server has closed; return True when no more is needed.

        BrokenAnswerError when there will be no whole answer.
        """
        if not data:
            # Without a length an answer lasts until the server closes.
            if self._status and not self._headers.keys() & {b"content-length", b"transfer-encoding"}:
                return True
            raise BrokenAnswerError("the connection broke before the answer: the server closed it")
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.keeps = False
            if not self._whole:
                raise BrokenAnswerError(f"the answer is not HTTP: {error}") from error
        if self._whole:
            return True
        if not self._status:
            self._came += len(data)
            if self._came > _HEAD:
                raise BrokenAnswerError("the answer is not HTTP: its head does not end")
        elif self._came > _BODY:
            self.keeps = False  # longer than any answer of the API: its rest would be taken for the next answer
            return True
        return False

    def answer(self) -> Answer:
        """Return the answer."""
        after, body = self._header(b"retry-after"), b"".join(self._pieces)
        return Answer(
            self._status,
            body if len(body) <= _BODY else body[:_BODY],
            self._header(b"content-type") or "",
            retry_after(after, self._header(b"date")) if after else None,
            self._header(b"location"),
        )

    def _header(self, name: bytes) -> str | None:
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    # What the parser calls

    def on_message_begin(self) -> None:
        """Let nothing follow the answer: nobody has asked for it."""
        if self._whole:
            raise BrokenAnswerError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those after the body say nothing here."""
        if not self._status:
            self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        """Note the end of the head."""
        self._status = self._parser.get_status_code()
        self.keeps = self._parser.should_keep_alive()
        self._came = 0

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(piece)
        self._came += len(piece)

    def on_message_complete(self) -> None:
        """Note the end of the answer, unless it only says that one will come (1xx)."""
        if 100 <= self._status < 200:
            self.begin()
        else:
            self._whole = True
