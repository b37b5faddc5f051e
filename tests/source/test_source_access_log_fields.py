"""Fields of access logs keep to themselves: none takes its neighbours', lists are lists, what does not fit is `log_line`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import JobError
from etl.source import Source, SourceSettings, Unread, open_source
from etl.source.chunk import Limits

WHEN = "[20/Nov/2026:10:00:01 +0000]"
REST = f'{WHEN} "GET /p/1 HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11)"'
ODD = REST.replace("(X11)", 'a "b" c')  # quotes that nobody escaped: the line is cut the exact way
HAPROXY = (
    "203.0.113.7:14853 [14/Jan/2026:12:48:57.127] in web/node_1 170/0/0/3/173 200 739 - - --NN 0/0/0/0/0 0/0 {captures}"
    '"GET /x HTTP/1.1"'
)
S3 = (
    "79a5 shop [20/Nov/2026:10:00:01 +0000] 203.0.113.51 - 3E57 WEBSITE.GET.OBJECT p/1.html "
    '"GET /p/1 HTTP/1.1" 200 - 2662 2662 70 10 "-" "Mozilla/5.0" -'
)
S3_MORE = " id= SigV4 ECDHE-RSA - shop.example TLSv1.3 - -"


def opened(folder: Path, text: str, log_format: str, block: int | None = None) -> Source:
    (folder / "a.log").write_bytes(text.encode())
    limits = Limits(block=block) if block else None
    wanted = SourceSettings(paths=("a.log",), format="access_log", log_format=log_format)
    return open_source(wanted, folder, limits)


def read(
    folder: Path, text: str, log_format: str, block: int | None = None
) -> tuple[list[dict[str, Any]], list[Unread]]:
    rows: list[dict[str, Any]] = []
    unread: list[Unread] = []
    for batch in opened(folder, text, log_format, block).batches():
        rows += [
            {key: value for key, value in row.items() if value is not None and not key.startswith("_")}
            for row in batch.table.to_pylist()
        ]
        unread += batch.unread
    return rows, unread


def one(folder: Path, line: str, log_format: str) -> dict[str, Any]:
    rows, unread = read(folder, line + "\n", log_format)
    assert not unread
    (row,) = rows
    return row


def refused(folder: Path, line: str, log_format: str) -> bool:
    rows, unread = read(folder, line + "\n", log_format)
    return not rows and [(item.row, item.reason) for item in unread] == [(1, "log_line")]


# Users


@pytest.mark.parametrize("rest", [REST, ODD])
@pytest.mark.parametrize(
    ("between", "user"),
    [
        ("- frank", "frank"),
        ("- frank ", "frank"),
        ("-  frank", "frank"),
        ("- frank de boer", "frank de boer"),
        ("- -frank", "-frank"),
        ("- a.b@shop.example", "a.b@shop.example"),
        ("- de:ad:be:ef:00:01", "de:ad:be:ef:00:01"),
        ("- -", None),
        ("-  - ", None),
        ('- ""', None),
        ("- ", None),
    ],
)
def test_a_user_is_what_stands_there_without_blanks_around(
    tmp_path: Path, between: str, user: str | None, rest: str
) -> None:
    row = one(tmp_path, f"203.0.113.7 {between} {rest}", "combined")
    assert (row["host"], row.get("user"), row["path"]) == ("203.0.113.7", user, "/p/1")


@pytest.mark.parametrize("rest", [REST, ODD])
@pytest.mark.parametrize(
    "before",
    [
        "203.0.113.7, 10.0.0.1 - -",
        "203.0.113.7, 10.0.0.1 - frank",
        "203.0.113.7, 10.0.0.1, 10.0.0.2 - -",
        "203.0.113.7, 10.0.0.1, 10.0.0.2 - frank",
        "203.0.113.7 10.0.0.1 - -",
        "203.0.113.7 - 10.0.0.1, 10.0.0.2",
        "203.0.113.7 - 2001:db8::1, 2001:db8::2",
        "203.0.113.7 - 10.0.0.1",
        "203.0.113.7 - 2001:db8::1",
        "203.0.113.7 - [2001:db8:1:2:3:4:5:6]:443",
        "203.0.113.7 - frank 10.0.0.1",
        "203.0.113.7 - - frank",
        "203.0.113.7 a b frank",
        "203.0.113.7  - -",
        "unknown, 203.0.113.7 frank",
    ],
)
def test_addresses_and_other_fields_are_never_a_user(tmp_path: Path, before: str, rest: str) -> None:
    assert refused(tmp_path, f"{before} {rest}", "combined")


def test_a_user_without_a_mark_behind_it_is_one_word(tmp_path: Path) -> None:
    form = "$remote_addr $remote_user $http_x_forwarded_for [$time_local] $status"
    row = one(tmp_path, f"10.0.0.1 frank 203.0.113.7, 203.0.113.8 {WHEN} 200", form)
    assert (row["user"], row["http_x_forwarded_for"]) == ("frank", "203.0.113.7, 203.0.113.8")
    assert refused(tmp_path, f"10.0.0.1 frank boer 203.0.113.7 {WHEN} 200", form)
    assert one(tmp_path, f'10.0.0.1 "frank \\"f\\" boer" {WHEN}', '%h "%u" %t')["user"] == 'frank "f" boer'


def test_a_list_in_place_of_the_client_is_no_virtual_host(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no format known here fits"):
        opened(tmp_path, f"203.0.113.7, 10.0.0.1 - frank {REST}", "auto")


# Lists

UPSTREAMS = "$remote_addr $upstream_addr $upstream_status $upstream_response_time $status"


@pytest.mark.parametrize(
    ("lists", "wanted"),
    [
        ("10.0.0.1:80 200 0.1", ("10.0.0.1:80", "200", "0.1")),
        ("10.0.0.1:80, 10.0.0.2:80 502, 200 0.1, 0.2", ("10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.1, 0.2")),
        ("10.0.0.1:80 : unix:/run/a 200 : 200 0.1 : -", ("10.0.0.1:80 : unix:/run/a", "200 : 200", "0.1 : -")),
        ("10.0.0.1:80 502, 200 -", ("10.0.0.1:80", "502, 200", None)),
        ("- - -", (None, None, None)),
    ],
)
def test_lists_beside_each_other_are_cut_where_they_end(
    tmp_path: Path, lists: str, wanted: tuple[str | None, ...]
) -> None:
    row = one(tmp_path, f"203.0.113.7 {lists} 200", UPSTREAMS)
    assert tuple(row.get(f"upstream_{name}") for name in ("addr", "status", "response_time")) == wanted
    assert row["status"] == "200"


def test_a_list_of_forwarders_goes_before_the_user(tmp_path: Path) -> None:
    form = "%{X-Forwarded-For}i %l %u %t %>s"
    row = one(tmp_path, f"203.0.113.7, 10.0.0.1 - frank {WHEN} 200", form)
    assert (row["x_forwarded_for"], row["user"]) == ("203.0.113.7, 10.0.0.1", "frank")
    assert "user" not in one(tmp_path, f"203.0.113.7, 10.0.0.1, 10.0.0.2 - - {WHEN} 200", form)


VALUES = st.text(st.sampled_from("a0.:-/é"), min_size=1, max_size=6).filter(lambda text: text not in ("-", ":"))
LISTS = st.lists(VALUES | st.just("-"), min_size=1, max_size=4)


@given(
    rows=st.lists(st.tuples(LISTS, LISTS, st.sampled_from(["jane", "jane roe", "-"])), min_size=1, max_size=6),
    joint=st.sampled_from([", ", " : "]),
    block=st.integers(1, 200),
)
@settings(max_examples=120, deadline=None)
def test_lists_are_read_back_as_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[list[str], list[str], str]], joint: str, block: int
) -> None:
    lines = [f"{joint.join(a)} {joint.join(b)} x {user} {WHEN} 200" for a, b, user in rows]
    form = "$upstream_addr $http_x_forwarded_for $x $remote_user [$time_local] $status"
    found, unread = read(tmp_path_factory.mktemp("log"), "\n".join(lines), form, block)
    assert not unread
    for row, (a, b, user) in zip(found, rows, strict=True):
        assert row.get("upstream_addr", "-") == joint.join(a)
        assert row.get("http_x_forwarded_for", "-") == joint.join(b)
        assert (row["x"], row.get("user", "-"), row["status"]) == ("x", user, "200")


# Requests


@pytest.mark.parametrize(
    ("request_line", "wanted"),
    [
        ("GET /x HTTP", ("GET", "/x", "HTTP")),
        ("GET /x HTTP1.1", ("GET", "/x", "HTTP1.1")),
        ("GET /x  HTTP/1.1", ("GET", "/x", "HTTP/1.1")),
        ("GET  /x HTTP/2", ("GET", "/x", "HTTP/2")),
        ("OPTIONS /x RTSP/1.0", ("OPTIONS", "/x", "RTSP/1.0")),
        ("GET /x HTTP/1.1 more words", (None, None, None)),
        ("GET /x HTTP/1.1 HTTP/1.1", (None, None, None)),
        ("GET /x y", (None, None, None)),
    ],
)
def test_words_behind_the_target_are_never_its_path(
    tmp_path: Path, request_line: str, wanted: tuple[str | None, ...]
) -> None:
    row = one(tmp_path, f"203.0.113.7 - - {REST.replace('GET /p/1 HTTP/1.1', request_line)}", "combined")
    assert (row.get("method"), row.get("path"), row.get("protocol")) == wanted
    assert row["target"] == (wanted[1] or request_line)


def test_a_request_without_quotes_ends_behind_its_protocol(tmp_path: Path) -> None:
    form = "$remote_addr $request $status"
    assert one(tmp_path, "::1 GET /a?b HTTP/1.1 200", form)["target"] == "/a?b"
    assert one(tmp_path, "::1 - 400", form) == {"host": "::1", "status": "400"}
    assert refused(tmp_path, "::1 GET /a 404 HTTP/1.1 200", form)


# Formats that grow


def test_a_format_string_reads_lines_that_have_grown_further_fields(tmp_path: Path) -> None:
    form = '$remote_addr [$time_local] "$request" $status'
    line = f'203.0.113.7 {WHEN} "GET /x HTTP/1.1" 200'
    rows, unread = read(tmp_path, f'{line}\n{line} 17 "more"\n', form)
    assert not unread
    assert [row.get("extra") for row in rows] == [None, '17 "more"']


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("$remote_addr $http_x_device $status", "::1 iPhone 15 200"),
        ("$remote_addr $status $http_user_agent", "::1 200 Mozilla/5.0 (X11)"),
        ("%h %u %>s %b", "::1 frank 7 200 512"),
        ("$remote_addr $uri $status", "::1 /a 404 200"),
        ("$remote_addr $cookie_sid $status", "::1 a 404 200"),
    ],
)
def test_further_fields_are_none_where_they_may_be_words_of_another_field(tmp_path: Path, form: str, line: str) -> None:
    assert refused(tmp_path, line, form)


def test_logs_of_s3_are_read_whatever_the_year_gave_them(tmp_path: Path) -> None:
    lines = [S3, S3 + S3_MORE, S3 + S3_MORE + " eu-central-1 x"]
    rows, unread = read(tmp_path, "\n".join(lines), "aws_s3")
    assert not unread
    assert [row["path"] for row in rows] == ["/p/1"] * 3
    assert [(row.get("vhost"), row.get("tls_version"), row.get("extra")) for row in rows] == [
        (None, None, None),
        ("shop.example", "TLSv1.3", None),
        ("shop.example", "TLSv1.3", "eu-central-1 x"),
    ]
    assert (rows[0]["host"], rows[0]["duration"], rows[0]["bytes"]) == ("203.0.113.51", "0.07", "2662")


def test_a_dash_in_place_of_quotes_is_null(tmp_path: Path) -> None:
    line = "79a5 shop [20/Nov/2026:10:00:01 +0000] - AmazonS3 3E57 S3.EXPIRE.OBJECT old - - - 2662 2662 70 10 - - -"
    row = one(tmp_path, line, "aws_s3")
    assert row["operation"] == "S3.EXPIRE.OBJECT"
    assert not {"host", "target", "referrer", "user_agent"} & row.keys()
    both = one(tmp_path, S3.replace("/p/1 ", '/p"?q=1 ').replace('Mozilla/5.0"', 'Mozilla/5.0""'), "aws_s3")
    assert (both["target"], both["user_agent"]) == ('/p"?q=1', 'Mozilla/5.0"')


def test_a_log_of_s3_is_read_only_where_the_job_names_it(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="format aws_s3") as caught:
        opened(tmp_path, S3, "auto")
    assert "log_format: aws_s3" in str(caught.value)


@pytest.mark.parametrize("syslog", ["", "Feb  6 12:14:14 localhost haproxy[14389]: "])
@pytest.mark.parametrize(
    ("captures", "wanted"),
    [
        ("", (None, None, None)),
        ("{shop.example|curl} ", ("shop.example|curl", None, None)),
        ("{shop.example|a b} {nginx} ", (None, "shop.example|a b", "nginx")),
        ("{} {nginx} ", (None, None, "nginx")),
        ("{shop.example} {} ", (None, "shop.example", None)),
    ],
)
def test_headers_that_haproxy_captures_are_columns(
    tmp_path: Path, captures: str, wanted: tuple[str | None, ...], syslog: str
) -> None:
    line = syslog + HAPROXY.format(captures=captures)
    assert opened(tmp_path, line, "auto").notes == ("log format: haproxy (100% of 1 line)",)
    row = one(tmp_path, line + " TLSv1.3", "haproxy")
    names = ("captured_headers", "captured_request_headers", "captured_response_headers")
    assert tuple(row.get(name) for name in names) == wanted
    assert (row["host"], row["path"], row["queues"], row["extra"]) == ("203.0.113.7", "/x", "0/0", "TLSv1.3")
    assert refused(tmp_path, HAPROXY.format(captures="{a} {b} {c} "), "haproxy")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (HAPROXY.format(captures="").replace("/173 200 739", "/+173 200 +739"), {"duration": "0.173", "status": "200"}),
        (
            HAPROXY.format(captures="{|} ").replace("/173 200", "/173 -1").replace("GET /x HTTP/1.1", "<BADREQ>"),
            {"status": "-1", "target": "<BADREQ>", "captured_headers": "|"},
        ),
    ],
)
def test_what_haproxy_writes_of_requests_that_ended_early_is_read(
    tmp_path: Path, line: str, wanted: dict[str, str]
) -> None:
    assert one(tmp_path, line, "haproxy").items() >= wanted.items()


# JSON


def test_escapes_of_nginx_in_json_are_undone(tmp_path: Path) -> None:
    base = (
        '{"time":"2026-11-20T10:00:01Z","remote_addr":"::1","status":200,"request":"GET /p HTTP/1.1","http_user_agent":'
    )
    written = [r"\x22x\x22", r"\xD1\x87\xD0\xB0", r"a\x5Cb", r"\xE4\xE5", r"\\x41", r"\x1B[0m", "-", " ", '\\"\\"']
    rows, unread = read(tmp_path, "".join(f'{base}"{text}"}}\n' for text in written), "auto")
    assert not unread
    agents = [row.get("user_agent") for row in rows]
    assert agents == ['"x"', "ча", r"a\b", r"\xE4\xE5", r"\x41", "\x1b[0m", None, None, None]
    assert len(read(tmp_path, base + "-}\n" + base + '"a"}\n', "json")[1]) == 1


def test_control_characters_that_stand_raw_in_json_cost_no_line(tmp_path: Path) -> None:
    line = (
        '{"time":"2026-11-20T10:00:01Z","remote_addr":"::1","status":200,"request":"GET /p","http_user_agent":"a\x1bb"}'
    )
    rows, unread = read(tmp_path, "\0\0" + line + "\n" + line, "auto")
    assert not unread
    assert [row["user_agent"] for row in rows] == ["a\x1bb"] * 2


def test_a_line_is_shown_without_control_characters(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        opened(tmp_path, "evil \x1b[31mred\x07 \u202e", "auto")
    assert r"evil \x1b[31mred\x07 \u202e" in str(caught.value)


@given(texts=st.lists(st.text(max_size=12), min_size=1, max_size=5), size=st.integers(1, 300))
@settings(max_examples=80, deadline=None)
def test_what_nginx_writes_into_json_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int
) -> None:
    def escaped(text: str) -> str:
        return "".join(
            chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02X}" for b in text.replace("\0", "").encode()
        )

    head = '{"time":"2026-11-20T10:00:01Z","remote_addr":"::1","status":200,"request_method":"GET","request_id":"'
    lines = [f'{head}{escaped(text)}","n":{number}}}' for number, text in enumerate(texts)]
    rows, unread = read(tmp_path_factory.mktemp("json"), "\n".join(lines), "json", size)
    assert not unread
    for row, text in zip(rows, texts, strict=True):
        text = text.replace("\0", "")
        assert row.get("request_id") == (None if text.strip(" \t\n\f\r") in ("", "-", '""') else text)
    assert [int(row["n"]) for row in rows] == list(range(len(texts)))
