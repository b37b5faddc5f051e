"""Times by Apache's `%{format}t`: the letters of the C library are read, what cannot be read is a mistake that names it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import Exit, JobError
from etl.source import SourceSettings, open_source


def times(folder: Path, form: str, *lines: str) -> list[str | None]:
    """Return the time of each line; "log_line" for one that does not fit."""
    (folder / "a.log").write_text("\n".join(lines), "utf-8")
    source = open_source(SourceSettings(paths=("a.log",), format="access_log", log_format=form), folder)
    found: dict[int, Any] = {}
    for batch in source.batches():
        found |= {row["_row"]: row["time"] for row in batch.table.to_pylist()}
        found |= {item.row: item.reason for item in batch.unread}
    return [found[number] for number in sorted(found)]


@pytest.mark.parametrize(
    ("form", "line", "time"),
    [
        ("[%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t] %>s", "[20/Nov/2026:11:26:07.242 +0200] 200", "2026-11-20T11:26:07.242000+02:00"),
        ("[%{%d/%b/%Y:%T %z}t] %>s", "[20/Nov/2026:11:26:07 +0200] 200", "2026-11-20T11:26:07+02:00"),
        ("%h %u %{%F %T}t %>s", "::1 frank 2026-11-20 11:26:07 200", "2026-11-20T11:26:07"),
        ('%h %u %{%F %T}t "%r"', '::1 frank 2026-11-20 11:26:07 "GET / HTTP/1.1"', "2026-11-20T11:26:07"),
        ("%{%F}t %{%T}t %>s", "2026-11-20 11:26:07 200", "2026-11-20T11:26:07"),
        ("%{%T}t|%h|%{%F}t", "11:26:07|::1|2026-11-20", "2026-11-20T11:26:07"),
        ("%{%D %R}t %>s", "11/20/26 11:26 200", "2026-11-20T11:26:00"),
        ("%{%s}t %>s", "1795166767 200", "2026-11-20T09:26:07Z"),
        ("%{%s}t.%{usec_frac}t %>s", "1795166767.000250 200", "2026-11-20T09:26:07.00025Z"),
        ("%{sec}t %{msec_frac}t %>s", "1795166767 250 200", "2026-11-20T09:26:07.250000+00:00"),
        ("%{%e/%b/%Y %k:%M}t %>s", " 6/Nov/2026  9:05 200", "2026-11-06T09:05:00"),
        ("%{%l:%M %P %F}t %>s", "12:05 am 2026-11-20 200", "2026-11-20T00:05:00"),
        ("%{%r %x}t %>s", "01:02:03 PM 11/20/26 200", "2026-11-20T13:02:03"),
        ("%{%c}t %>s", "Fri Nov  6 01:02:03 2026 200", "2026-11-06T01:02:03"),
        ("%{%h %d %Y%n%T}t %>s", "Nov 20 2026 01:02:03 200", "2026-11-20T01:02:03"),
        ("%{%F%t%T}t %>s", "2026-11-20\t01:02:03 200", "2026-11-20T01:02:03"),
        ("%{%G-W%V-%u %H:%M}t %>s", "2026-W47-5 10:00 200", "2026-11-20T10:00:00"),
        ("%{%Y.%j %T}t %>s", "2026.324 10:00:00 200", "2026-11-20T10:00:00"),
        ("%{%F %T %Z}t %>s", "2026-11-20 10:00:00 GMT 200", "2026-11-20T10:00:00+00:00"),
        ("%{begin:%F %T}t %{end:%F %T}t %>s", "2026-11-20 10:00:00 2026-11-20 10:00:09 200", "2026-11-20T10:00:00"),
        ("%{end:msec}t %{begin:msec}t", "1795166769000 1795166767000", "2026-11-20T09:26:07Z"),
        ("%{begin}t %>s", "[20/Nov/2026:11:26:07 +0200] 200", "2026-11-20T11:26:07+02:00"),
        ("%{end}t %>s", "[20/Nov/2026:11:26:07 +0200] 200", "2026-11-20T11:26:07+02:00"),
    ],
)  # fmt: skip
def test_a_time_by_the_letters_of_the_c_library_is_read(tmp_path: Path, form: str, line: str, time: str) -> None:
    assert times(tmp_path, form, line) == [time]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("%{%Q}t", "'%Q' in the time '%Q' is no letter"),
        ("%{%F %T.%N}t", "'%N' in the time"),
        ("%h %{%T}t", "'%T' names no day"),
        ("%{%W %T}t", "'%W %T' names no day"),
        ("%{%F %I:%M}t", "%I has no %p"),
        ("%{%F %}t", "'%' in the time"),
    ],
)
def test_a_time_that_cannot_be_read_is_a_mistake_that_names_the_letter(tmp_path: Path, form: str, said: str) -> None:
    with pytest.raises(JobError, match=said) as caught:
        times(tmp_path, form, "x")
    assert caught.value.exit == Exit.USAGE
    assert "source.log_format" in str(caught.value)


def test_a_line_whose_time_has_another_form_does_not_fit(tmp_path: Path) -> None:
    lines = (
        "2026-11-20 11:26:07 200",
        "20/11/2026 11:26:07 200",
        "2026-11-20 11:26 200",
        "frank 2026-11-20 11:26:07 200",
    )
    assert times(tmp_path, "%{%F %T}t %>s", *lines) == ["2026-11-20T11:26:07", "log_line", "log_line", "log_line"]
    assert times(tmp_path, "%{%F %T %Z}t %>s", "2026-11-20 10:00:00 EET 200") == ["log_line"]
    assert times(tmp_path, "%{%d %b %Y %T}t %>s", "20 nov. 2026 10:00:00 200") == ["log_line"]


@given(
    moments=st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)), min_size=1, max_size=5),
    zone=st.integers(-47, 56),
    form=st.sampled_from(
        [
            "%F %T",
            "%d/%b/%Y:%T",
            "%e.%m.%Y %R:%S",
            "%Y%m%d%H%M%S",
            "%A %d %B %Y, %H-%M-%S",
            "%G %V %u %X",
            "%Y/%j %T",
            "%c",
        ]
    ),
)
@settings(max_examples=150, deadline=None)
def test_what_strftime_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, moments: list[datetime], zone: int, form: str
) -> None:
    aware = [m.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * zone))) for m in moments]
    lines = [f"{moment.strftime(form)} {moment:%z} 200" for moment in aware]
    found = times(tmp_path_factory.mktemp("log"), f"%{{{form} %z}}t %>s", *lines)
    assert [datetime.fromisoformat(str(time)) for time in found] == aware
    assert all(datetime.fromisoformat(str(time)).astimezone(UTC) for time in found)
