"""Access logs: every format in one vocabulary, told by its first lines; a line that does not fit costs itself alone."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import Exit, JobError
from etl.source import Source, SourceSettings, Unread, open_source
from etl.source.access_log import VOCABULARY
from etl.source.chunk import Limits

LOGS = Path(__file__).parents[3] / "shared" / "data" / "logs"
PLACES = ("_file", "_row", "_element", "_ordinal")

COMMON = '203.0.113.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif?x=1&y=2 HTTP/1.0" 200 2326'
COMBINED = COMMON + ' "http://shop.example/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'


def source(folder: Path, *blobs: bytes | str, limits: Limits | None = None, **options: Any) -> Source:
    names = []
    for number, blob in enumerate(blobs):
        (folder / f"{number}.log").write_bytes(blob.encode() if isinstance(blob, str) else blob)
        names.append(f"{number}.log")
    return open_source(SourceSettings(paths=tuple(names), format="access_log", **options), folder, limits)


def read(opened: Source) -> tuple[list[dict[str, Any]], list[Unread]]:
    """Return rows (with their line as `_row`, without what is null) and unread lines."""
    rows: list[dict[str, Any]] = []
    unread: list[Unread] = []
    seen = 0
    for batch in opened.batches():
        for row in batch.table.to_pylist():
            rows.append({k: v for k, v in row.items() if v is not None and k not in PLACES} | {"_row": row["_row"]})
            assert row["_ordinal"] >= seen
            seen = row["_ordinal"] + 1
        unread += batch.unread
    return rows, unread


def one(folder: Path, line: str, **options: Any) -> dict[str, Any]:
    """Return the only row of a log of one line."""
    rows, unread = read(source(folder, line + "\n", **options))
    assert not unread
    (row,) = rows
    del row["_row"]
    return row


# Formats by name


def test_a_combined_line_becomes_the_vocabulary(tmp_path: Path) -> None:
    opened = source(tmp_path, COMBINED + "\n")
    assert opened.schema.names == [*VOCABULARY, "ident", "extra"]
    assert {str(kind) for kind in opened.schema.types} == {"string"}
    assert opened.notes == ("log format: combined (100% of 1 line)",)
    assert one(tmp_path, COMBINED) == {
        "time": "2000-10-10T13:55:36-07:00",
        "host": "203.0.113.7",
        "user": "frank",
        "method": "GET",
        "target": "/a.gif?x=1&y=2",
        "path": "/a.gif",
        "query": "x=1&y=2",
        "protocol": "HTTP/1.0",
        "status": "200",
        "bytes": "2326",
        "referrer": "http://shop.example/start.html",
        "user_agent": "Mozilla/4.08 [en] (Win98; I ;Nav)",
    }


def test_a_dash_is_null_everywhere(tmp_path: Path) -> None:
    line = '::1 - - [01/Jan/2026:00:00:00 +0000] "-" 408 - "-" "-"'
    assert one(tmp_path, line) == {"time": "2026-01-01T00:00:00+00:00", "host": "::1", "status": "408"}


@pytest.mark.parametrize(
    ("line", "name", "more"),
    [
        (COMMON, "common", {}),
        (COMMON + ' 0.004 "edge-1"', "common", {"extra": '0.004 "edge-1"'}),
        (COMBINED + ' "203.0.113.9"', "combined", {"extra": '"203.0.113.9"'}),
        (COMBINED + ' "-"', "combined", {}),
        ("shop.example:443 " + COMBINED, "vhost_combined", {"vhost": "shop.example", "server_port": "443"}),
        ("shop.example " + COMBINED, "vhost_combined", {"vhost": "shop.example"}),
        ("shop.example " + COMMON, "vhost_common", {"vhost": "shop.example"}),
        (
            COMBINED + ' 42 "web@docker" "http://10.0.0.3:80" 42ms',
            "traefik",
            {"duration": "0.042", "request_count": "42", "router": "web@docker", "server_url": "http://10.0.0.3:80"},
        ),
    ],
)
def test_a_variant_is_told_from_the_others(tmp_path: Path, line: str, name: str, more: dict[str, str]) -> None:
    opened = source(tmp_path, line + "\n")
    assert opened.notes == (f"log format: {name} (100% of 1 line)",)
    row = one(tmp_path, line)
    assert row.items() >= more.items()
    assert (row["host"], row["user"], row["path"], row["status"]) == ("203.0.113.7", "frank", "/a.gif", "200")
    assert ("extra" in row) == ("extra" in more)


def test_a_load_balancer_of_aws(tmp_path: Path) -> None:
    line = (
        "https 2026-01-02T03:04:05.678901Z app/my/50dc 203.0.113.7:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "
        '"GET https://shop.example:443/a?b=c HTTP/1.1" "curl/7.46.0" ECDHE TLSv1.2 arn:aws:x "Root=1" "shop.example" '
        '"arn:aws:acm:y" 1 2026-01-02T03:04:05.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1 "-"'
    )
    row = one(tmp_path, line)
    assert source(tmp_path, line).notes[0].startswith("log format: aws_alb")
    wanted = {
        "time": "2026-01-02T03:04:05.678901Z",
        "host": "203.0.113.7",
        "client_port": "2817",
        "vhost": "shop.example",
    }
    wanted |= {"target": "https://shop.example:443/a?b=c", "path": "/a", "query": "b=c", "duration": "0.171"}
    assert row.items() >= wanted.items()
    assert row["extra"] == 'TID_1 "-"'
    never = line.replace("10.0.0.1:80 0.086 0.048 0.037", "- -1 -1 -1")
    assert "duration" not in one(tmp_path, never)


def test_haproxy(tmp_path: Path) -> None:
    line = (
        "203.0.113.7:14853 [14/Jan/2026:12:48:57.127] https-in~ web/node_1 170/0/0/3/173 200 739 - - --NN 0/0/0/0/0 "
        '0/0 "GET /x HTTP/1.1"'
    )
    row = one(tmp_path, line, log_format="haproxy")
    assert (row["time"], row["host"], row["duration"]) == ("2026-01-14T12:48:57.127000", "203.0.113.7", "0.173")
    assert (row["path"], row["backend"], row["server"]) == ("/x", "web", "node_1")


# Format strings

NGINX = (
    """log_format  timed escape=default '$remote_addr - $remote_user [$time_local] "$request" '
                 '$status $body_bytes_sent "$http_referer" '
                 '"$http_user_agent" "$http_x_forwarded_for" rt=$request_time uct="$upstream_connect_time" '
                 'ua=$upstream_addr $msec';"""
)  # fmt: skip
NGINX_LINE = COMBINED + ' "203.0.113.9" rt=0.123 uct="0.000, 0.002" ua=10.0.0.1:80, 10.0.0.2:80 971211336.000'


def test_a_format_of_nginx_is_read_as_it_is_pasted(tmp_path: Path) -> None:
    inside = re.sub(r"^log_format.*?(?=')", "", NGINX).rstrip(";")
    joined = "".join(re.findall("'([^']*)'", NGINX))
    for written in (NGINX, inside, joined):
        row = one(tmp_path, NGINX_LINE, log_format=written)
        assert (row["duration"], row["http_x_forwarded_for"]) == ("0.123", "203.0.113.9")
        assert (row["upstream_connect_time"], row["upstream_addr"]) == ("0.000, 0.002", "10.0.0.1:80, 10.0.0.2:80")
        assert (row["time"], row["msec"]) == ("2000-10-10T13:55:36-07:00", "971211336.000")
        assert source(tmp_path, NGINX_LINE, log_format=written).notes == ("log format: as given (100% of 1 line)",)


APACHE = r'LogFormat "%v:%p %a %l %u %{%Y-%m-%d}t %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D %{sid}C" my'


def test_a_format_of_apache_is_read_as_it_is_pasted(tmp_path: Path) -> None:
    line = "shop.example:443 " + COMBINED.replace("[", "2000-10-10 [", 1) + " 1234567 abc"
    for written in (APACHE, APACHE.split('"', 1)[1].rsplit('"', 1)[0], APACHE[11:-4].replace('\\"', '"')):
        row = one(tmp_path, line, log_format=written)
        assert row.items() >= {"vhost": "shop.example", "server_port": "443", "duration": "1.234567"}.items()
        assert row.items() >= {"cookie_sid": "abc", "bytes": "2326", "path": "/a.gif"}.items()
        assert (row["time"], row["time_text"]) == ("2000-10-10T13:55:36-07:00", "2000-10-10")


@pytest.mark.parametrize(
    ("form", "line", "wanted"),
    [
        (
            "%h [%{%d/%b/%Y:%H:%M:%S}t.%{msec_frac}t %{%z}t] \"%m %U%q %H\" %s %B %{ms}T",
            '::1 [10/Oct/2000:13:55:36.250 -0700] "GET /a?b=1 HTTP/2.0" 200 0 1500',
            {"time": "2000-10-10T13:55:36.250000-07:00", "target": "/a?b=1", "path": "/a", "query": "b=1",
             "method": "GET", "protocol": "HTTP/2.0", "duration": "1.5", "bytes": "0"},
        ),
        ("%{msec}t %a %U %T", "1700000000123 ::1 /x 3", {"time": "2023-11-14T22:13:20.123Z", "path": "/x", "duration": "3"}),
        ("%{usec}t|%h|%{X-Id}i|%{Content-Type}o", "1700000000123456|::1|a b|text/html",
         {"time": "2023-11-14T22:13:20.123456Z", "x_id": "a b", "response_content_type": "text/html"}),
        ("$msec $remote_addr $request_method $scheme://$host$request_uri $status", "1700000000.5 ::1 GET https://s.example/a?b 200",
         {"time": "2023-11-14T22:13:20.5Z", "vhost": "s.example", "target": "/a?b", "query": "b", "scheme": "https"}),
        ('$time_iso8601\t$remote_addr\t"$uri"\t$args', '2026-01-02T03:04:05+02:00\t::1\t"/a b"\tx=1',
         {"time": "2026-01-02T03:04:05+02:00", "path": "/a b", "query": "x=1"}),
        ("${remote_addr}x$server_name;$http_host", "10.0.0.1x_;s.example", {"vhost": "s.example", "server_name": "_"}),
        ('$status "$request" $status', '200 "GET / HTTP/1.1" 200', {"status": "200", "path": "/"}),
    ],
)  # fmt: skip
def test_directives_become_words_of_the_vocabulary(
    tmp_path: Path, form: str, line: str, wanted: dict[str, str]
) -> None:
    row = one(tmp_path, line, log_format=form)
    assert row.items() >= wanted.items(), row


def test_a_json_format_of_nginx_says_what_its_keys_mean(tmp_path: Path) -> None:
    form = """log_format j escape=json '{"when":"$time_iso8601","who":"$remote_addr","what":"$request",'
              '"took":$request_time,"code":"$status","trace":"$request_id"}';"""
    line = '{"when":"2026-01-02T03:04:05+00:00","who":"::1","what":"GET /a?b HTTP/1.1","took":0.25,"code":"200","trace":"t"}'
    assert one(tmp_path, line, log_format=form) == {
        "time": "2026-01-02T03:04:05+00:00", "host": "::1", "method": "GET", "target": "/a?b", "path": "/a",
        "query": "b", "protocol": "HTTP/1.1", "duration": "0.25", "status": "200", "trace": "t",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("combind", r"(?s)neither the name.*Did you mean `combined`"),
        ("$remote_addr$status", "nothing stands between remote_addr and status"),
        ("%h %5", "no directive of Apache"),
        ("LogFormat combined", "there is no format in quotes"),
        ("#Fields:", "no field stands behind"),
    ],
)
def test_a_format_that_cannot_be_read_is_a_mistake_in_the_job(tmp_path: Path, form: str, said: str) -> None:
    with pytest.raises(JobError, match=said) as caught:
        source(tmp_path, COMBINED, log_format=form)
    assert caught.value.exit == Exit.USAGE


# What lines may hold


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a \"b\" c", 'a "b" c'),
        (r"a \x22b\x22 c", 'a "b" c'),
        (r"C:\\new", r"C:\new"),
        (r"\xD0\x9F\xd1\x83\xD1\x82\xD1\x8C", "Путь"),
        (r"\xe4\xe5", r"\xe4\xe5"),  # no UTF-8: as written
        (r"\x16\x03\x01", r"\x16\x03\x01"),  # no text
        (r"a \q b", r"a \q b"),
        ('unescaped "quotes" inside', 'unescaped "quotes" inside'),
        ("Ünï 😀", "Ünï 😀"),
    ],
)
def test_escapes_in_quotes_are_undone_where_text_comes_out(tmp_path: Path, written: str, meant: str) -> None:
    line = COMBINED.replace("Mozilla/4.08 [en] (Win98; I ;Nav)", written)
    assert one(tmp_path, line, log_format="combined")["user_agent"] == meant


@pytest.mark.parametrize(
    ("request_line", "wanted"),
    [
        (r"\x16\x03\x01 \x02", {"target": r"\x16\x03\x01 \x02"}),
        ("HELP", {"target": "HELP"}),
        ("GET /old", {"method": "GET", "target": "/old", "path": "/old"}),
        ("GET /a b c HTTP/1.1", {"method": "GET", "target": "/a b c", "path": "/a b c", "protocol": "HTTP/1.1"}),
        ("OPTIONS * HTTP/1.1", {"method": "OPTIONS", "target": "*", "protocol": "HTTP/1.1"}),
        ("CONNECT x.example:443 HTTP/1.1", {"method": "CONNECT", "target": "x.example:443", "protocol": "HTTP/1.1"}),
        ("GET http://x.example HTTP/1.1", {"method": "GET", "target": "http://x.example", "path": "/", "protocol": "HTTP/1.1"}),
        (
            "GET http://x.example/p?u=http://y/ HTTP/1.1",
            {"method": "GET", "target": "http://x.example/p?u=http://y/", "path": "/p", "query": "u=http://y/", "protocol": "HTTP/1.1"},
        ),
        (
            "GET http://x.example?q=/ HTTP/1.1",
            {"method": "GET", "target": "http://x.example?q=/", "path": "/", "query": "q=/", "protocol": "HTTP/1.1"},
        ),
        ("GET /x? HTTP/1.1", {"method": "GET", "target": "/x?", "path": "/x", "protocol": "HTTP/1.1"}),
        ("get / http", {"target": "get / http"}),
    ],
)  # fmt: skip
def test_a_request_line_is_taken_apart_or_kept_whole(tmp_path: Path, request_line: str, wanted: dict[str, str]) -> None:
    row = one(tmp_path, COMMON.replace("GET /a.gif?x=1&y=2 HTTP/1.0", request_line))
    words = ("method", "target", "path", "query", "protocol")
    assert {word: row[word] for word in words if word in row} == wanted


def test_a_user_with_blanks_and_a_line_behind_nul_bytes_are_read(tmp_path: Path) -> None:
    assert one(tmp_path, COMBINED.replace("frank", "frank de boer"))["user"] == "frank de boer"
    rows, unread = read(source(tmp_path, b"\0" * 100 + COMBINED.encode() + b"\n" + COMBINED.encode()))
    assert ([row["host"] for row in rows], unread) == (["203.0.113.7"] * 2, [])


def test_a_line_that_does_not_fit_is_unread_alone(tmp_path: Path) -> None:
    bad = b"\xff\xfe" + COMBINED.encode()
    cut = COMBINED[:-5]
    blob = b"\n".join([COMBINED.encode(), b"", bad, b"  \t", b"nonsense", COMBINED.encode() + b"\r", cut.encode()])
    for limits in (None, *(Limits(block=size) for size in (1, 7, 100))):
        rows, unread = read(source(tmp_path, blob, limits=limits, log_format="combined"))
        assert [row["_row"] for row in rows] == [1, 6]
        assert [(item.row, item.reason) for item in unread] == [(3, "utf8"), (5, "log_line"), (7, "log_line")]
        assert [item.text for item in unread] == ["\\xff\\xfe" + COMBINED, "nonsense", cut]


def test_a_line_beyond_the_limit_is_unread(tmp_path: Path) -> None:
    blob = "\n".join([COMBINED, "x" * 5_000, COMBINED])
    rows, unread = read(source(tmp_path, blob, limits=Limits(block=64, line=1_000), log_format="combined"))
    assert [row["_row"] for row in rows] == [1, 3]
    assert [(item.row, item.reason) for item in unread] == [(2, "too_long")]


def test_rotated_and_packed_files_are_one_source_known_by_their_names(tmp_path: Path) -> None:
    lines = [COMMON.replace("200 2326", f"200 {number}") + "\n" for number in range(6)]
    (tmp_path / "access.log").write_text(lines[0])
    (tmp_path / "access.log.1").write_text(lines[1])
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(lines[2].encode()) + gzip.compress(lines[3].encode()))
    (tmp_path / "access.log.3.bz2").write_bytes(bz2.compress(lines[4].encode()))
    (tmp_path / "access.log.4").write_bytes(b"")
    opened = open_source(SourceSettings(paths=("access.log*",)), tmp_path)
    assert (opened.format, opened.notes) == ("access_log", ("log format: common (100% of 1 line)",))
    assert [row["bytes"] for row in read(opened)[0]] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(("name", "text"), [("app.log", "INFO started\n"), ("a.dat", COMBINED), ("a.log", "")])
def test_what_is_no_log_by_name_or_first_line_needs_a_format(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(JobError, match="does not tell its format"):
        open_source(SourceSettings(paths=(name,)), tmp_path)


def test_empty_logs_have_the_vocabulary_and_no_rows(tmp_path: Path) -> None:
    opened = source(tmp_path, b"", b"\n")
    assert opened.schema.names[: len(VOCABULARY)] == list(VOCABULARY)
    assert read(opened) == ([], [])
    assert opened.first_rows_hash(0) == opened.first_rows_hash(1)


def test_the_first_row_is_the_first_line_that_is_data(tmp_path: Path) -> None:
    opened = source(tmp_path, "\n \n" + COMBINED + "\n", COMBINED + "\r\n" + COMBINED, COMMON)
    assert opened.first_rows_hash(0) == opened.first_rows_hash(1) != opened.first_rows_hash(2)
    ours = source(tmp_path, W3C, "#Version: 1.0\n" + W3C)
    assert ours.first_rows_hash(0) == ours.first_rows_hash(1)


# Detection


def test_detection_says_how_sure_it_is_and_passes_over_broken_lines(tmp_path: Path) -> None:
    opened = source(tmp_path, "\n".join([*[COMBINED] * 980, *["broken"] * 20, *[COMBINED] * 50]))
    assert opened.notes == ("log format: combined (98% of the first 1,000 lines)",)
    assert len(read(opened)[0]) == 1_030


def test_a_format_that_few_lines_miss_goes_before_a_poorer_one_that_fits_all(tmp_path: Path) -> None:
    opened = source(tmp_path, "\n".join([*[COMBINED] * 97, *[COMMON] * 3]))
    assert opened.notes == ("log format: combined (97% of 100 lines)",)


def test_what_fits_nothing_is_shown_without_contact_data(tmp_path: Path) -> None:
    line = 'got 203.0.113.7 2001:db8:0:0:1::7 jane.doe@mail.example "/x?mail=jane%40mail.example&phone=380501234567"'
    with pytest.raises(JobError) as caught:
        source(tmp_path, line)
    told = str(caught.value)
    assert caught.value.exit == Exit.USAGE
    assert all(name in told for name in ("combined", "w3c", "json", "aws_alb", "LogFormat"))
    assert not any(secret in told for secret in ("203.0", "2001:db8", "jane.", "jane%", "38050"))
    with pytest.raises(JobError, match=r"\(combined fits 33% of 3 lines\)") as caught:
        source(tmp_path, "\n".join(["1.2.3.4 - jane [x", COMBINED, "x"]))
    assert "jane" not in str(caught.value)
    assert "1.2.3.4" not in str(caught.value)


# W3C

W3C = """#Software: Microsoft Internet Information Services 10.0
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) cs(Referer) sc-status time-taken
2026-01-02 03:04:05 10.0.0.1 GET /a x=1 203.0.113.7 Mozilla/5.0+(X;+Y) - 200 1234
#Date: 2026-01-03 00:00:00
#Fields: date time c-ip cs-method cs-uri-stem sc-status X-Extra cs(Cookie)
2026-01-03 00:00:01 203.0.113.8 POST /b 201 new sid=1;+b=2
2026-01-03 00:00:01 203.0.113.8 POST /b 201
"""


def test_directives_are_no_rows_and_may_change_the_fields(tmp_path: Path) -> None:
    for limits in (None, *(Limits(block=size) for size in (1, 50, 200))):
        opened = source(tmp_path, W3C, limits=limits)
        assert opened.notes == ("log format: w3c (66% of 3 lines)",)
        assert opened.schema.names == [*VOCABULARY, "s_ip", "x_extra"]
        rows, unread = read(opened)
        assert rows == [
            {
                "time": "2026-01-02T03:04:05Z", "host": "203.0.113.7", "method": "GET", "target": "/a?x=1",
                "path": "/a", "query": "x=1", "status": "200", "user_agent": "Mozilla/5.0 (X; Y)",
                "duration": "1.234", "s_ip": "10.0.0.1", "_row": 3,
            },
            {
                "time": "2026-01-03T00:00:01Z", "host": "203.0.113.8", "method": "POST", "target": "/b", "path": "/b",
                "status": "201", "x_extra": "new", "cookie": "sid=1;+b=2", "_row": 6,
            },
        ]  # fmt: skip
        assert [(item.row, item.reason) for item in unread] == [(7, "log_line")]


def test_a_file_whose_head_is_lost_is_read_by_the_fields_that_the_job_gives(tmp_path: Path) -> None:
    rows, unread = read(source(tmp_path, "10:00:00 ::1 /x\n", log_format="#Fields: time c-ip cs-uri-stem"))
    assert (rows, unread) == ([{"host": "::1", "target": "/x", "path": "/x", "_row": 1}], [])


def test_header_fields_of_cloudfront_are_decoded(tmp_path: Path) -> None:
    values = ["2026-01-02", "03:04:05", "CDG", "703", "2001:db8::7", "GET", "d.cloudfront.net", "/a%20b", "200", "-"]
    values += ["Mozilla/5.0%20(X)", "q=%2F", "-", "Hit", "id==", "shop.example", "https", "62", "0.113"]
    row = one(tmp_path, "\t".join(values))
    assert row.items() >= {"time": "2026-01-02T03:04:05Z", "host": "2001:db8::7", "vhost": "shop.example"}.items()
    assert row.items() >= {"target": "/a%20b?q=%2F", "user_agent": "Mozilla/5.0 (X)", "duration": "0.113"}.items()
    assert source(tmp_path, "\t".join(values)).notes == ("log format: cloudfront (100% of 1 line)",)


# JSON


def test_json_logs_have_the_vocabulary_and_keep_the_rest(tmp_path: Path) -> None:
    caddy = {
        "level": "info",
        "ts": 1700000000.25,
        "request": {"remote_ip": "::1", "method": "GET", "host": "s.example", "uri": "/a?b=c", "proto": "HTTP/2.0",
                    "headers": {"User-Agent": ["curl/8"], "Referer": ["https://r.example/"]}},
        "duration": 0.000002701, "size": 12, "status": 200, "user_id": "",
    }  # fmt: skip
    row = one(tmp_path, json.dumps(caddy))
    kept = row.pop("request")
    assert kept["method"] == "GET"
    assert row == {
        "time": "2023-11-14T22:13:20.25Z", "host": "::1", "method": "GET", "vhost": "s.example", "target": "/a?b=c",
        "path": "/a", "query": "b=c", "protocol": "HTTP/2.0", "user_agent": "curl/8", "referrer": "https://r.example/",
        "duration": "0.000002701", "bytes": "12", "status": "200", "level": "info",
    }  # fmt: skip
    console = "".join(f"caddy  | {json.dumps(caddy)}\n" for _ in range(3)) + "caddy  | {not json\n"
    rows, unread = read(source(tmp_path, console))
    assert len(rows) == 3
    assert [(item.row, item.reason) for item in unread] == [(4, "json")]


def test_a_json_log_of_nginx_is_known_by_its_keys(tmp_path: Path) -> None:
    log = {
        "time_local": "10/Oct/2000:13:55:36 -0700", "remote_addr": "::1", "request": "GET /a?b HTTP/1.1",
        "status": "200", "body_bytes_sent": "5", "host": "s.example", "http_user_agent": "-", "request_time": "0.010",
        "Upstream-Time": "0.009",
    }  # fmt: skip
    assert one(tmp_path, json.dumps(log)) == {
        "time": "2000-10-10T13:55:36-07:00", "host": "::1", "method": "GET", "target": "/a?b", "path": "/a",
        "query": "b", "protocol": "HTTP/1.1", "status": "200", "bytes": "5", "vhost": "s.example", "duration": "0.010",
        "upstream_time": "0.009",
    }  # fmt: skip


# What is written comes back

LETTERS = st.characters(min_codepoint=0xA1, max_codepoint=0x24F)
WORDS = st.text(st.one_of(st.sampled_from("aZ0-_.%&=/?[]+"), LETTERS), min_size=1, max_size=12)
PHRASES = st.text(st.one_of(st.sampled_from('aZ0 "\\;,()[]-'), LETTERS), min_size=1, max_size=20)
HOSTS = st.one_of(st.ip_addresses().map(str), st.just("client.example"))
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0))
ZONES = st.integers(-47, 56).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))


def apache(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def nginx(text: str) -> str:
    return "".join(
        c if 32 <= ord(c) < 127 and c not in '"\\' else "".join(f"\\x{b:02X}" for b in c.encode()) for c in text
    )


@st.composite
def visits(draw: st.DrawFn) -> dict[str, str | None]:
    when = draw(TIMES).replace(tzinfo=draw(ZONES))
    path = "/" + draw(st.text(st.sampled_from("aZ/.%é"), max_size=8))
    query = draw(st.none() | st.text(st.sampled_from("aZ=&?/%é"), min_size=1, max_size=8))
    dashed = st.none() | PHRASES.filter(lambda text: text != "-")
    return {
        "when": when.strftime("%d/%b/%Y:%H:%M:%S %z"),
        "time": when.isoformat(),
        "host": draw(HOSTS),
        "user": draw(st.none() | WORDS.filter(lambda text: text != "-" and "[" not in text)),
        "method": draw(st.sampled_from(["GET", "POST", "M-SEARCH"])),
        "path": path,
        "query": query,
        "target": path if query is None else f"{path}?{query}",
        "protocol": draw(st.sampled_from(["HTTP/1.1", "HTTP/2.0"])),
        "status": draw(st.sampled_from(["200", "404", "499"])),
        "bytes": draw(st.none() | st.integers(0, 10**12).map(str)),
        "referrer": draw(dashed),
        "user_agent": draw(dashed),
        "vhost": draw(st.none() | st.just("shop.example")),
    }


@given(
    written=st.lists(visits(), min_size=1, max_size=8),
    vhosts=st.booleans(),
    escape=st.sampled_from([apache, nginx]),
    ends=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(1, 400),
    last=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_what_a_server_writes_is_read_back_whatever_the_block(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[dict[str, str | None]],
    vhosts: bool,
    escape: Any,
    ends: str,
    block: int,
    last: bool,
) -> None:
    lines = []
    for visit in written:
        dashed = {key: "-" if value is None else escape(value) for key, value in visit.items()}
        user = "-" if visit["user"] is None else visit["user"]
        line = (
            f'{visit["host"]} - {user} [{visit["when"]}] "{dashed["method"]} {dashed["target"]} {dashed["protocol"]}" '
            f'{visit["status"]} {dashed["bytes"]} "{dashed["referrer"]}" "{dashed["user_agent"]}"'
        )
        lines.append(f"{dashed['vhost']} {line}" if vhosts else line)
        visit["vhost"] = visit["vhost"] if vhosts else None
    blob = ends.join(lines) + (ends if last else "")
    opened = source(
        tmp_path_factory.mktemp("log"),
        blob,
        limits=Limits(block=block),
        log_format="vhost_combined" if vhosts else "combined",
    )
    rows, unread = read(opened)
    assert not unread
    for number, (row, visit) in enumerate(zip(rows, written, strict=True), 1):
        wanted = {key: value for key, value in visit.items() if value is not None and key != "when"}
        assert row == wanted | {"_row": number}


@given(
    lines=st.lists(
        st.one_of(
            st.just(COMBINED),
            st.text(st.sampled_from('-" []\\:1?/x\r\t'), max_size=40),
            st.tuples(st.integers(0, len(COMBINED)), st.sampled_from(['"', " ", "\\", "[", "-", "", "é"])).map(
                lambda pair: COMBINED[: pair[0]] + pair[1] + COMBINED[pair[0] + 1 :]
            ),
        ),
        max_size=12,
    ),
    name=st.sampled_from(["combined", "common", "vhost_combined", "traefik", "haproxy", "w3c", "cloudfront", NGINX]),
)
@settings(max_examples=200, deadline=None)
def test_no_log_crashes_it_and_every_block_size_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], name: str
) -> None:
    folder = tmp_path_factory.mktemp("log")
    blob = "\n".join(lines)
    results = [
        read(source(folder, blob, limits=limits, log_format=name))
        for limits in (None, *(Limits(block=size) for size in (1, 13, 150)))
    ]
    assert all(result == results[0] for result in results)


TOKENS = st.text(st.one_of(st.sampled_from("aZ0=&/.%;"), LETTERS), min_size=1, max_size=9)


@given(
    written=st.lists(st.tuples(TIMES, HOSTS, TOKENS, st.none() | TOKENS, st.booleans()), min_size=1, max_size=10),
    delimiter=st.sampled_from([" ", "\t"]),
    block=st.integers(1, 300),
)
@settings(max_examples=150, deadline=None)
def test_w3c_lines_are_read_back_whatever_the_block(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[Any, ...]], delimiter: str, block: int
) -> None:
    blob, wanted, line = "#Version: 1.0\n#Fields: date time c-ip cs-uri-stem cs-uri-query\n", [], 2
    for when, host, stem, query, turn in written:
        fields = [f"{when:%Y-%m-%d}", f"{when:%H:%M:%S}", host, stem, query or "-"]
        if turn:
            blob += "#Fields: c-ip date time cs-uri-query cs-uri-stem\n"
            fields = [fields[2], fields[0], fields[1], fields[4], fields[3]]
            line += 1
        blob += delimiter.join(fields) + "\n"
        line += 1
        if turn:
            blob += "#Fields: date time c-ip cs-uri-stem cs-uri-query\n\n"
        row = {"time": f"{when:%Y-%m-%dT%H:%M:%S}Z", "host": host, "path": stem, "_row": line}
        row |= {"target": stem} if query is None else {"target": f"{stem}?{query}", "query": query}
        wanted.append(row)
        line += 2 * turn
    folder = tmp_path_factory.mktemp("w3c")
    rows, unread = read(source(folder, blob, limits=Limits(block=block), log_format="w3c"))
    assert (rows, unread) == (wanted, [])


# The real logs beside the project, against naive readers

QUOTED = r'"((?:[^"\\]|\\.)*)"'
NAIVE = re.compile(
    rf"(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<when>[^\]]+)\] {QUOTED.replace('(', '(?P<request>', 1)} "
    rf"(?P<status>\d+|-) (?P<bytes>\d+|-)(?: {QUOTED.replace('(', '(?P<referrer>', 1)} "
    rf"{QUOTED.replace('(', '(?P<user_agent>', 1)}(?P<rest> .*)?)?"
)


def shared(name: str, log_format: str | None = None) -> tuple[Source, list[dict[str, Any]], list[Unread]]:
    if not LOGS.is_dir():
        pytest.skip(f"the real logs are not here: {LOGS}")
    opened = open_source(SourceSettings(paths=(name,), format="access_log", log_format=log_format), LOGS)
    return opened, *read(opened)


def shared_lines(name: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a log that are neither blank nor directives, with their numbers."""
    for number, line in enumerate((LOGS / name).read_text("utf-8").split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.rstrip("\r")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "format_name", "good", "bad"),
    [
        ("apache_combined.log", "combined", 9_999, [8_899]),
        ("zanbil_shop.log", "combined", 1_000, []),
        ("crowdsec_apache2_malformed.log", "combined", 11, []),
        ("crowdsec_nginx_malformed.log", "combined", 12, []),
        ("crowdsec_apache_probing.log", "common", 77, []),
        ("crowdsec_traefik_clf.log", "traefik", 7, []),
        ("lnav_bad_access.log", "combined", 2, [2]),
    ],
)
def test_real_logs_of_lines(name: str, format_name: str, good: int, bad: list[int]) -> None:
    opened, rows, unread = shared(name)
    assert opened.notes[0].startswith(f"log format: {format_name} (")
    assert ([item.row for item in unread], len(rows)) == (bad, good)
    naive = {number: match for number, line in shared_lines(name) if (match := NAIVE.fullmatch(line))}
    assert list(naive) == [row["_row"] for row in rows]
    for row in rows:
        match = naive[row["_row"]]
        assert row["time"] == datetime.strptime(match["when"], "%d/%b/%Y:%H:%M:%S %z").isoformat()
        for word in ("host", "user", "status", "bytes", "referrer", "user_agent"):
            if "\\" not in (match[word] or ""):
                assert row.get(word, "-") == (match[word] or "-"), (row["_row"], word)
        request = re.fullmatch(r"([A-Z]+) (\S.*) (HTTP/\S+)", match["request"])
        if request and "\\" not in match["request"]:
            assert (row["method"], row["target"], row["protocol"]) == request.groups()
            path, _, query = request[2].partition("?")
            assert (row["path"], row.get("query", "")) == (path, query)
        elif not request and not match["request"].startswith("GET "):
            assert not {"method", "path", "query", "protocol"} & row.keys()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "log_format", "good", "bad"),
    [("crowdsec_haproxy.log", "haproxy", 2, 3), ("crowdsec_litespeed.log", "combined", 1, 2)],
)
def test_real_logs_that_are_mostly_something_else(name: str, log_format: str, good: int, bad: int) -> None:
    with pytest.raises(JobError, match="no format known here fits"):
        shared(name)
    _, rows, unread = shared(name, log_format)
    assert (len(rows), len(unread)) == (good, bad)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["lnav_caddy_console.log", "lnav_invalid_utf8.log", "lnav_w3c.5.log"])
def test_real_logs_of_no_web_server_are_refused(name: str) -> None:
    with pytest.raises(JobError, match="no format known here fits"):
        shared(name)


@pytest.mark.shared
def test_real_logs_of_iis() -> None:
    opened, rows, unread = shared("iis85_w3c_real.log")
    assert (opened.notes, len(rows), unread) == (("log format: w3c (100% of 210 lines)",), 210, [])
    for row, (number, line) in zip(rows, shared_lines("iis85_w3c_real.log"), strict=True):
        day, clock, server, method, stem, query, _, _, client, agent, *_, taken = line.split(" ")
        assert (row["_row"], row["time"], row["s_ip"]) == (number, f"{day}T{clock}Z", server)
        assert (row["method"], row["path"], row.get("query", "-"), row["host"]) == (method, stem, query, client)
        assert row["user_agent"] == agent.replace("+", " ")
        assert float(row["duration"]) == int(taken) / 1_000


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "good"),
    [(f"lnav_w3c.{number}.log", good) for number, good in [(0, 1), (1, 1), (2, 14), (3, 3), (4, 2), (6, 1)]],
)  # fmt: skip
def test_real_logs_of_w3c(name: str, good: int) -> None:
    opened, rows, unread = shared(name)
    assert opened.notes[0].startswith("log format: w3c (100%")
    assert (len(rows), unread) == (good, [])
    assert [row["_row"] for row in rows] == [number for number, _ in shared_lines(name)]
    if name == "lnav_w3c.3.log":
        assert rows[2]["sc_substatus"] == ' "garbage" w/ spaces '
        assert rows[2]["time"] == "2012-08-15T17:00:00.675"


@pytest.mark.shared
def test_real_logs_of_aws() -> None:
    opened, rows, unread = shared("crowdsec_aws_alb.log")
    assert (opened.notes[0][:19], len(rows), unread) == ("log format: aws_alb", 14, [])
    naive = csv.reader((line for _, line in shared_lines("crowdsec_aws_alb.log")), delimiter=" ")
    for row, fields in zip(rows, naive, strict=True):
        assert (row["type"], row["time"], f"{row['host']}:{row['client_port']}") == (fields[0], fields[1], fields[3])
        assert f"{row['method']} {row['target']} {row['protocol']}" == fields[12]
        assert (row["status"], row["bytes"], row["user_agent"]) == (fields[8], fields[11], fields[13])
        total = sum(float(value) for value in fields[5:8])
        assert float(row.get("duration", -3)) == pytest.approx(total)
    opened, rows, unread = shared("crowdsec_aws_cloudfront_noheader.tsv")
    assert (opened.notes, len(rows), unread) == (("log format: cloudfront (100% of 2 lines)",), 2, [])
    assert {row["vhost"] for row in rows} == {"hub-cdn.crowdsec.net"}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "log_format", "good", "bad"),
    [
        ("traefik_json_scan.ndjson", None, 80, 0),
        ("crowdsec_traefik_json.ndjson", None, 6, 1),
        ("crowdsec_caddy.ndjson", None, 11, 0),
        ("lnav_cloudflare_logpush.ndjson", None, 15, 0),
        ("lnav_caddy_console.log", "json", 39, 0),
    ],
)
def test_real_logs_of_json(name: str, log_format: str | None, good: int, bad: int) -> None:
    _, rows, unread = shared(name, log_format)
    assert (len(rows), len(unread)) == (good, bad)
    lines = dict(shared_lines(name))
    for row in rows:
        log = json.loads(lines[row["_row"]].removeprefix("caddy  | "))
        inner = log.get("request", {})
        headers = inner.get("headers", {})
        naive = {
            "host": log.get("ClientHost") or log.get("ClientIP") or inner.get("client_ip"),
            "method": log.get("RequestMethod") or log.get("ClientRequestMethod") or inner.get("method"),
            "target": log.get("RequestPath") or log.get("ClientRequestURI") or inner.get("uri"),
            "vhost": log.get("RequestHost") or log.get("ClientRequestHost") or inner.get("host"),
            "user_agent": log.get("request_User-Agent")
            or log.get("ClientRequestUserAgent")
            or headers.get("User-Agent", [None])[0],
        }
        assert {word: row.get(word) for word in naive} == naive
        if "ts" in log:
            when = datetime.fromisoformat(row["time"]).timestamp()
            assert when == pytest.approx(log["ts"], abs=1e-5)
        if "Duration" in log:
            assert float(row["duration"]) == pytest.approx(log["Duration"] / 1e9)
        if "EdgeStartTimestamp" in log:
            assert datetime.fromisoformat(row["time"]).timestamp() * 1e9 == pytest.approx(log["EdgeStartTimestamp"])
    assert all(datetime.fromisoformat(row["time"]).tzinfo == UTC for row in rows)
