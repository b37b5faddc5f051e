"""Times of all sorts as ISO 8601, the form that the job's `time` reads without more."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.access_log.octets import Flags
from etl.source.access_log.strftime import time_form

Bytes = npt.NDArray[np.uint8]

#: `10/Oct/2000:13:55:36 -0700`
CLF_WIDTH = 26

_DIGITS = np.array([0, 1, 7, 8, 9, 10, 12, 13, 15, 16, 18, 19, 22, 23, 24, 25])
_MARKS = {2: b"/", 6: b"/", 11: b":", 14: b":", 17: b":", 20: b" "}
_NAMES = np.array([int.from_bytes(name, "big") for name in b"jan feb mar apr may jun jul aug sep oct nov dec".split()])
_SORTED = np.argsort(_NAMES)
_MONTH = np.array([f"{month:02d}".encode() for month in range(1, 13)]).view(np.uint8).reshape(12, 2)

_NUMBER = r"^[0-9]+(\.[0-9]+)?$"


def _month(window: Bytes) -> tuple[npt.NDArray[np.int64], Flags]:
    letters = window[:, 3:6].astype(np.int64) | 0x20
    code = (letters[:, 0] << 16) | (letters[:, 1] << 8) | letters[:, 2]
    index = np.minimum(np.searchsorted(_NAMES, code, sorter=_SORTED), 11)
    month = _SORTED[index]
    known: Flags = _NAMES[month] == code
    return month, known


def is_clf(window: Bytes) -> Flags:
    """Mark the rows of 26 bytes that are a time of the common log format."""
    if not len(window):
        return np.zeros(0, np.bool_)
    sound: Flags = np.all(np.less(window[:, _DIGITS] - np.uint8(0x30), 10), axis=1)
    for place, mark in _MARKS.items():
        sound &= window[:, place] == mark[0]
    sound &= (window[:, 21] == ord("+")) | (window[:, 21] == ord("-"))
    sound &= _month(window)[1]
    return sound


def clf_times(window: Bytes) -> pa.Array:
    """Return `2000-10-10T13:55:36-07:00` for rows of 26 bytes that are such times."""
    count = len(window)
    iso = np.empty((count, 25), np.uint8)
    iso[:, 0:4] = window[:, 7:11]
    iso[:, [4, 7]] = ord("-")
    iso[:, 5:7] = _MONTH[_month(window)[0]]
    iso[:, 8:10] = window[:, 0:2]
    iso[:, 10] = ord("T")
    iso[:, 11:19] = window[:, 12:20]
    iso[:, 19:22] = window[:, 21:24]
    iso[:, 22] = ord(":")
    iso[:, 23:25] = window[:, 24:26]
    offsets = np.arange(0, 25 * (count + 1), 25, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(iso)])


def epoch_times(values: pa.Array) -> pa.Array:
    """Return epochs (seconds, with a fraction or not, ms, µs or ns, by their size) as ISO 8601 in UTC.

    `values` are numbers or texts of numbers; what is none gives null.
    """
    if pa.types.is_string(values.type):
        values = pc.if_else(pc.match_substring_regex(values, _NUMBER), values, pa.scalar(None, pa.string()))
        whole = not pc.any(pc.match_substring(values, ".")).as_py()
        values = _parsed(values, pa.int64() if whole else pa.float64())
    if pa.types.is_integer(values.type):
        micros = _scaled(pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False))
    else:
        seconds = pc.fill_null(values.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        micros = _scaled_floats(seconds)
    stamps = pa.array(micros, pa.int64(), mask=values.is_null().to_numpy(zero_copy_only=False))
    text = stamps.cast(pa.timestamp("us")).cast(pa.string())
    text = pc.replace_substring_regex(pc.replace_substring(text, " ", "T"), r"\.?0*$", "")
    return pc.binary_join_element_wise(text, "Z", "")


def _parsed(values: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return values.cast(kind)
    except pa.ArrowInvalid:  # more digits than 64 bits
        return pc.if_else(pc.less_equal(pc.utf8_length(values), 18), values, pa.scalar(None, pa.string())).cast(kind)


def _scaled(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return whole epochs of any unit as µs: 10 digits are seconds, 13 ms, 16 µs, 19 ns."""
    return np.select(
        [values < 10**11, values < 10**14, values < 10**17],
        [values * 1_000_000, values * 1_000, values],
        values // 1_000,
    )


def _scaled_floats(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    scaled = np.select(
        [values < 1e11, values < 1e14, values < 1e17], [values * 1e6, values * 1e3, values], values / 1e3
    )
    return np.round(np.where(np.isfinite(scaled) & (np.abs(scaled) < 9e18), scaled, 0)).astype(np.int64)


def parsed_times(values: pa.Array, form: str) -> pa.Array:
    """Return texts of a `strftime` format as ISO 8601, with an offset where the format has one; else null."""
    read = time_form(form).moment
    coded = values.dictionary_encode()
    distinct = [read(text) if text is not None else None for text in coded.dictionary.to_pylist()]
    return pa.array(distinct, pa.string()).take(coded.indices)


def any_times(values: pa.Array) -> pa.Array:
    """Return a JSON log's times: numbers and digits are epochs, the common log format is ISO 8601, others stay."""
    if not pa.types.is_string(values.type):
        return epoch_times(values)
    coded = values.dictionary_encode()
    distinct = coded.dictionary
    epochs = epoch_times(distinct)
    texts = [_clf(text) for text in distinct.to_pylist()]
    return pc.coalesce(epochs, pa.array(texts, pa.string())).take(coded.indices)


def _clf(text: str | None) -> str | None:
    window = np.frombuffer((text or "").strip("[]").encode(), np.uint8)
    if len(window) == CLF_WIDTH and is_clf(window[None, :])[0]:
        return str(clf_times(window[None, :])[0])
    return text
