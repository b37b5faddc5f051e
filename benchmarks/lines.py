"""A shop's access log in the combined form, of any size, made by columns. `python -m benchmarks.lines FILE LINES`.

Of 20 lines 7 are of products, 4 of categories, 2 of searches, 4 of static files, 1 is a POST, 1 a failure, 1 a crawler's. A third of
them are of users who are logged in; one in a thousand is garbage; the addresses of campaigns carry their parameters.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.planning.log_job import PRODUCTS
from benchmarks.rows import joined, text

_CHUNK = 250_000

_AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-S91{}B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/604.1",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/128.0",
]
_CRAWLERS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
]
_FILES = ["/static/app.{}.js", "/static/site.{}.css", "/img/p/{}.jpg", "/fonts/sans-{}.woff2"]


def write_lines(path: Path, lines: int, seed: int = 1) -> None:
    """Write a log, a chunk at a time, so in bounded memory."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        for start in range(0, lines, _CHUNK):
            chunk = _chunk(rng, start, min(_CHUNK, lines - start))
            # The text of a new array lies in one piece: it is the file's.
            _, offsets, data = pc.binary_join_element_wise(chunk, "\n", "").buffers()
            file.write(data[: np.frombuffer(offsets, np.int32)[len(chunk)]])


def _chunk(rng: np.random.Generator, start: int, count: int) -> pa.Array:
    number = np.arange(start, start + count)
    kind = rng.permutation(np.arange(count) % 20)
    sku = rng.integers(0, PRODUCTS, count)
    person = rng.integers(0, max(1000, count // 10), count)
    moment = np.datetime64("2026-01-05T00:00:00") + (number // 12).astype("timedelta64[s]")
    stamp, places = np.unique(moment, return_inverse=True)
    times = pc.strftime(pa.array(stamp), "%d/%b/%Y:%H:%M:%S +0200").take(pa.array(places))
    campaign = pc.if_else(sku % 5 == 0, joined("?utm_source=mail&utm_campaign=c", text(sku % 40)), "")
    target = pc.case_when(
        pa.StructArray.from_arrays(
            [pa.array(m) for m in (kind < 7, kind < 11, kind < 13, kind < 17)], ["product", "page", "search", "static"]
        ),
        joined("/product/", pc.utf8_lpad(text(sku), 6, "0"), campaign),
        joined("/category/", text(sku % 60), campaign),
        joined("/search?q=%D1%87%D0%B0%D0%B9+", text(sku % 900), "&page=", text(sku % 3)),
        _variant(_FILES, sku, sku % 500),
        joined("/cart?step=", text(sku % 4)),
    )
    agent = pc.if_else(
        kind == 19, pa.array(_CRAWLERS).take(pa.array(sku % 4)), _variant(_AGENTS, person, person % 30 + 100)
    )
    line = joined(
        joined("203.", text(person % 113), ".", text(person // 251 % 256), ".", text(person % 251)),
        " - ",
        pc.if_else(person % 3 == 0, joined("u", pc.utf8_lpad(text(person), 7, "0")), "-"),
        " [",
        times,
        pc.if_else(kind == 17, '] "POST ', '] "GET '),
        pc.if_else(kind == 19, joined("/product/", pc.utf8_lpad(text(sku), 6, "0")), target),
        ' HTTP/1.1" ',
        pc.if_else(kind == 18, "404", "200"),
        " ",
        text(sku % 9000 + 200),
        pc.if_else(kind < 7, joined(' "https://shop.example/category/', text(sku % 60), '" "'), ' "-" "'),
        agent,
        '"',
    )
    return pc.if_else(rng.random(count) < 0.001, '\\x16\\x03\\x01\\x00" 400', line)


def _variant(forms: list[str], which: np.ndarray, value: np.ndarray) -> pa.Array:
    """Return texts of several forms, each with a number in it."""
    heads, tails = (pa.array(part) for part in zip(*(form.split("{}") for form in forms), strict=True))
    places = pa.array(which % len(forms))
    return joined(heads.take(places), text(value), tails.take(places))


if __name__ == "__main__":
    write_lines(Path(sys.argv[1]), int(sys.argv[2]))
