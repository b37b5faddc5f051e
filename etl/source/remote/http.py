"""A file of a web server, read by ranges; where the server has none, from its start on.

RFC 9110 §13 (conditional requests) and §14 (ranges): `If-Match` with a strong etag, else `If-Unmodified-Since`; and every answer must
name the version that was asked for, since servers are free to pass over conditions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from etl.address import is_loopback, masked_address
from etl.errors import InputError
from etl.source.origin import Stamp
from etl.source.remote.store import PassingError, changed

#: Seconds to connect, and between two bytes.
_TIMEOUT = (10.0, 60.0)
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")


class _Session(requests.Session):
    """A session that follows no redirect from https to plain http."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer sends us."""
        target = super().get_redirect_target(resp)
        if target is not None:
            url = urlsplit(urljoin(resp.url, target))
            if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
                raise InputError(
                    f"{masked_address(resp.request.url or '')} redirects to plain {url.scheme}",
                    hint="it would show the file to everyone on the way; name an address that stays on https",
                )
        return target


@dataclass(frozen=True, slots=True)
class HttpFile:
    """One file of a web server."""

    url: str

    @property
    def address(self) -> str:
        """Its full address."""
        return self.url

    @property
    def shown(self) -> str:
        """Its address without secrets."""
        return masked_address(self.url)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]

    def stamp(self) -> Stamp:
        """Ask for the first byte: a HEAD may be refused where a GET is not, as with presigned addresses."""
        with _Session() as session, self._get(session, {"Range": "bytes=0-0"}) as answer:
            return _stamp(answer, self.shown)

    def reading(self, stamp: Stamp, *, anywhere: bool) -> HttpReading:
        """Open the file (`store.Store`)."""
        return HttpReading(self, stamp, anywhere=anywhere)

    def _get(self, session: requests.Session, headers: dict[str, str]) -> requests.Response:
        """Return the answer, its body unread. The errors of requests hold the address with its secrets: none gets out."""
        try:
            answer = session.get(
                self.url, headers={**headers, "Accept-Encoding": "identity"}, stream=True, timeout=_TIMEOUT
            )
        except requests.exceptions.SSLError as error:
            raise InputError(
                f"cannot read {self.shown}: its certificate is not trusted",
                hint="For a certificate of your own authority set REQUESTS_CA_BUNDLE to its file.",
            ) from _without_address(error)
        except requests.exceptions.Timeout as error:
            raise PassingError("the server does not answer in time") from _without_address(error)
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise PassingError("no connection to the server") from _without_address(error)
        except requests.exceptions.RequestException as error:
            raise InputError(f"cannot read {self.shown}: {type(error).__name__}") from _without_address(error)
        try:
            _check_status(answer, self.shown)
        except BaseException:
            answer.close()
            raise
        return answer


def _without_address(error: Exception) -> Exception:
    """Return what may stand in a chain of errors."""
    return RuntimeError(type(error).__name__)


def _check_status(answer: requests.Response, shown: str) -> None:
    status = answer.status_code
    if status in (200, 206, 412, 416):
        return
    if status in (404, 410):
        raise FileNotFoundError(shown)
    if status in (401, 403, 407):
        raise InputError(
            f"cannot read {shown}: access refused ({status})",
            hint="Logins for a host stand in ~/.netrc; a presigned address may have run out: ask for a new one.",
        )
    if status in _PASSING:
        raise PassingError(f"the server answers {status}")
    raise InputError(f"cannot read {shown}: the server answers {status}", hint="Check the address.")


def _version(answer: requests.Response) -> str:
    """Return what the server calls this version of the file: its etag; a weak one with the time, since it may stand for two contents."""
    etag, modified = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
    return f"{etag} {modified}".strip() if etag.startswith("W/") or not etag else etag


def _stamp(answer: requests.Response, shown: str) -> Stamp:
    if answer.status_code == 412:
        raise changed(shown)
    spans = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    size: str | None = spans[3] if spans else None
    if answer.status_code == 200:
        size = answer.headers.get("Content-Length")
    if size is None:
        raise InputError(
            f"cannot read {shown}: the server does not say how large it is",
            hint="An answer made on the fly may end early unseen: download the file and name it here.",
        )
    version = _version(answer)
    if not version and int(size):
        raise InputError(
            f"cannot read {shown}: the server gives neither ETag nor Last-Modified",
            hint="A change while it is read would go unseen: download the file and name it here.",
        )
    return Stamp(int(size), version)


class HttpReading:
    """Reads one version of a file. `Range` is asked for each time; a server that passes over it is read from the start on."""

    def __init__(self, file: HttpFile, stamp: Stamp, *, anywhere: bool) -> None:
        self._file, self._stamp, self._anywhere = file, stamp, anywhere
        self._session = _Session()
        self._whole: requests.Response | None = None
        self._at = 0  # of `_whole`

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly these bytes (`store.Reading`)."""
        if self._whole is not None and self._at == offset:
            return self._go_on(self._whole, size)
        self._drop()
        answer = self._file._get(self._session, {"Range": f"bytes={offset}-{offset + size - 1}", **self._condition()})
        if answer.status_code == 200:
            self._whole, self._at = answer, 0
            self._same(answer)
            if self._anywhere and size < self._stamp.size:
                raise InputError(
                    f"cannot read {self._file.shown}: the server gives no parts of a file (HTTP ranges), which Parquet needs",
                    hint="Download the file and name it here, or put it on a server that has ranges.",
                )
            while self._at < offset:
                self._go_on(answer, min(1 << 20, offset - self._at))
            return self._go_on(answer, size)
        with answer:
            self._same(answer)
            spans = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if answer.status_code == 416 or spans is None or spans[1] is None:
                raise changed(self._file.shown)
            if (int(spans[1]), int(spans[2])) != (offset, offset + size - 1):
                raise PassingError("the server sends another part than was asked for")
            return _body(answer, size)

    def close(self) -> None:
        """Let go of the connections."""
        self._drop()
        self._session.close()

    def _condition(self) -> dict[str, str]:
        version = str(self._stamp.version)
        if version.startswith('"'):
            return {"If-Match": version}
        modified = version.rpartition('" ')[2] if version.startswith("W/") else version
        return {"If-Unmodified-Since": modified} if modified and not modified.startswith("W/") else {}

    def _same(self, answer: requests.Response) -> None:
        if _stamp(answer, self._file.shown) != self._stamp:
            raise changed(self._file.shown)

    def _go_on(self, answer: requests.Response, size: int) -> bytes:
        data = _body(answer, size)
        self._at += len(data)
        return data

    def _drop(self) -> None:
        if self._whole is not None:
            self._whole.close()
            self._whole = None


def _body(answer: requests.Response, size: int) -> bytes:
    """Return `size` bytes of a body as they were sent. A body that ends early is a cut connection."""
    pieces: list[bytes] = []
    left = size
    try:
        while left and (piece := answer.raw.read(left, decode_content=False)):
            pieces.append(piece)
            left -= len(piece)
    except (HTTPError, OSError) as error:
        raise PassingError("the connection was cut") from _without_address(error)
    if left:
        raise PassingError("the connection was cut")
    return b"".join(pieces)
