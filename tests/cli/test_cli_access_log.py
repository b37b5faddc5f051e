"""A job on access logs: `check` and `plan` say which format they found, and every line ends in the books."""

import gzip

from called import Shop

JOB = """\
job: log
source: {path: "access.log*", types: {status: int}}
contact: {externalCustomerId: user}
time: time
events:
  - {type: pageViewed, where: method = 'GET' and status = 200, page: {location: "'https://shop.example' || path"}}
delivery: {api: API, stale: send, rate: 1000/s}
"""


def line(second: int, user: str = "u1", status: int = 200) -> str:
    return f'203.0.113.7 - {user} [10/Oct/2025:13:55:{second:02d} -0700] "GET /p/{second}?a=1 HTTP/1.1" {status} 5 "-" "x"\n'


def test_check_and_plan_say_the_format_and_every_line_ends_in_the_books(shop: Shop) -> None:
    shop.job = JOB
    (shop.folder / "access.log").write_text(line(3) + "nonsense\n" + line(4, status=404))
    (shop.folder / "access.log.1.gz").write_bytes(gzip.compress((line(1) + line(2)).encode()))
    found = "log format: combined (66% of 3 lines)"
    checked = shop.call("check", as_json=False)
    assert (checked.exit, checked.out.partition("no mistakes ")[2]) == (0, f"(17 columns; {found})\n")
    ended = shop.call("plan", "--set", "max_invalid=50%")
    assert found in ended.err.splitlines()
    assert ended.err.count(found) == 1
    assert (ended.json["rows"], ended.json["events"]) == (5, 3)
    assert (ended.json["invalid_reasons"], ended.json["filtered"]) == ({"log_line": 1}, {"no_rule": 1})


def test_a_log_that_fits_no_format_is_exit_2(shop: Shop) -> None:
    shop.job = JOB.replace("{path:", "{format: access_log, path:")
    (shop.folder / "access.log").write_text("nonsense\n")
    ended = shop.call("plan")
    assert (ended.exit, ended.json["exit"]) == (2, 2)
    assert "no format known here fits access.log" in ended.json["stopped"]["reason"]


def test_check_refuses_a_format_that_no_line_fits(shop: Shop) -> None:
    shop.job = JOB.replace("{path:", "{log_format: aws_alb, path:")
    (shop.folder / "access.log").write_text(line(1) + line(2))
    ended = shop.call("check", as_json=False)
    assert ended.exit == 2
    assert "source.log_format: no line of 2 lines fits the format aws_alb" in ended.err
