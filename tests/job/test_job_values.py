"""Scalars of a job file: durations, shares, rates, addresses, zones, encodings, names."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_example import SMALL, changed, event, job, mistakes, small

from etl.job import values


def delivery(**keys: str) -> str:
    more = "".join(f"\n  {key}: {value}" for key, value in keys.items())
    return changed("delivery: {api: sandbox}", f"delivery:\n  api: sandbox{more}", SMALL)


def source(**keys: str) -> str:
    more = "".join(f"\n  {key}: {value}" for key, value in keys.items())
    return changed("source: {path: visits.csv}", f"source:\n  path: visits.csv{more}", SMALL)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("30m", 1800), ("1h", 3600), ("3d", 259200), ("1.5h", 5400)]
)
def test_durations_are_a_number_and_a_unit(text, seconds):
    assert job(delivery(timeout=text)).delivery.timeout == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["30", "0s", "-3s", "3 weeks", "1h30m", "true", "[3s]", "s"])
def test_what_is_no_duration_says_what_one_is(text):
    assert "expected a duration" in mistakes(delivery(timeout=text))["delivery.timeout"]


def test_a_duration_that_is_too_long_says_how_long_one_may_be():
    assert "expected at most 36500d" in mistakes(delivery(timeout="9999999999d"))["delivery.timeout"]


def test_a_pause_and_a_keep_may_be_nothing():
    assert job(small(keep="0s")).keep == timedelta()
    assert job(delivery(bulk="{size: 1, pause: 0s}")).delivery.bulk.pause == timedelta()


@pytest.mark.parametrize(
    ("text", "share"), [("5%", 0.05), ("0.05", 0.05), ("0", 0), ("100%", 1), ("1.0", 1), ("0.5%", 0.005)]
)
def test_shares_are_percentages_or_fractions(text, share):
    assert job(small(max_invalid=text)).max_invalid == pytest.approx(share)


@pytest.mark.parametrize("text", ["5", "-1%", "101%", "many", "nan", "true", ".inf", "[5%]"])
def test_what_is_no_share_says_what_one_is(text):
    assert "expected a share such as 5% or 0.05" in mistakes(small(max_invalid=text))["max_invalid"]


def test_a_bare_one_is_refused_since_it_may_mean_one_percent_or_all():
    assert mistakes(small(max_invalid="1"))["max_invalid"] == "1 may mean 1% or all: write 1% or 100%"


@pytest.mark.parametrize(
    ("text", "size"), [("1MB", 1_000_000), ("500 KB", 500_000), ("1.5mb", 1_500_000), ("200000", 200_000), ("10B", 10)]
)
def test_sizes_are_bytes_with_a_unit_or_without(text, size):
    assert job(delivery(batch_bytes=text)).delivery.batch_bytes == size


@pytest.mark.parametrize("text", ["0", "-1MB", "1GB", "many", "true", "1.5", "[1MB]", "1000MB"])
def test_what_is_no_size_says_what_one_is(text):
    assert "expected bytes, such as 1MB" in mistakes(delivery(batch_bytes=text))["delivery.batch_bytes"]


@pytest.mark.parametrize("text", ["09:00-20:00", "22:00-06:00", "00:00-24:00", "08:15 - 20:00"])
def test_a_window_is_two_times_of_the_day(text):
    assert job(delivery(window=f'"{text}"')).delivery.window == text


@pytest.mark.parametrize(
    "text", ["9-20", "09:00-09:00", "24:00-06:00", "09:00", "25:00-26:00", "9am-8pm", "09:60-10:00"]
)
def test_what_is_no_window_says_what_one_is(text):
    assert 'such as "09:00-20:00"' in mistakes(delivery(window=f'"{text}"'))["delivery.window"]


@pytest.mark.parametrize(("text", "rate"), [("50/s", 50), ("3000/min", 50), ("100/h", 100 / 3600), ("0.5/s", 0.5)])
def test_rates_are_requests_in_a_time(text, rate):
    assert job(delivery(rate=text)).delivery.rate == pytest.approx(rate)


@pytest.mark.parametrize("text", ["50", "0/s", "fast", "50/week", "-5/s", "true", "0.5"])
def test_what_is_no_rate_says_what_one_is(text):
    assert "such as 50/s, 3000/min or 100/h" in mistakes(delivery(rate=text))["delivery.rate"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("sandbox", "sandbox"),
        ("https://esputnik.com/api/", "https://esputnik.com/api"),
        ("HTTPS://ESPUTNIK.com/api", "https://esputnik.com/api"),
        ("http://127.0.0.1:8080/api", "http://127.0.0.1:8080/api"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("'http://[::1]:99/api'", "http://[::1]:99/api"),
    ],
)
def test_an_api_is_the_sandbox_https_or_loopback(written, kept):
    assert (
        job(
            changed("sandbox", f"x\n  api: {written}", changed("{api: sandbox}", "\n  account: sandbox", SMALL))
        ).delivery.api
        == kept
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("http://esputnik.com/api", "write https://"),
        ("http://127.0.0.1.example.com", "write https://"),
        ("https://user:word@esputnik.com/api", "no login"),
        ("https://esputnik.com/api?x=1", "without ? and #"),
        ("https://esputnik.com/api/v2/event", "end it before /v2/event"),
        ("https://esputnik.com:99999/api", "cannot be read"),
        ("ftp://esputnik.com", "expected sandbox or an address"),
        ("esputnik.com/api", "expected sandbox or an address"),
        ("Sandbox", "expected sandbox or an address"),
        ("5", "expected sandbox or an address"),
    ],
)
def test_what_is_no_api_says_why(written, words):
    assert words in mistakes(changed("api: sandbox", f"api: {written}", SMALL))["delivery.api"]


@pytest.mark.parametrize(
    ("key", "value"), [("batch", "501"), ("batch", "0"), ("concurrency", "0"), ("max_per_contact", "0")]
)
def test_numbers_have_bounds(key, value):
    assert f"found `{value}`" in mistakes(delivery(**{key: value}))[f"delivery.{key}"]


@pytest.mark.parametrize("value", ["true", "1.5", "many", "-3", "[1]"])
def test_what_is_no_whole_number_is_refused(value):
    assert "expected" in mistakes(delivery(batch=value))["delivery.batch"]


@pytest.mark.parametrize("value", ["yes", "'true'", "1", "maybe"])
def test_true_and_false_are_the_only_flags(value):
    assert "expected true or false" in mistakes(small(drop_bad_locators=value))["drop_bad_locators"]


def test_a_choice_says_its_words_and_which_was_meant():
    found = mistakes(delivery(on_unknown="resent"))["delivery.on_unknown"]
    assert found == "expected one of resend, hold, found `resent`; did you mean `resend`?"


@pytest.mark.parametrize(
    ("written", "kept"), [("';'", ";"), ("'|'", "|"), ("\\t", "\t"), ('"\\t"', "\t"), ("tab", "\t")]
)
def test_a_delimiter_is_one_character(written, kept):
    assert job(source(delimiter=written)).source.delimiter == kept


@pytest.mark.parametrize("written", ["';;'", "'\"'", '"\\n"', "true", "''"])
def test_what_is_no_delimiter_is_refused(written):
    assert "expected one character" in mistakes(source(delimiter=written))["source.delimiter"]


def test_an_encoding_is_one_of_text():
    assert job(source(encoding="windows-1251")).source.encoding == "windows-1251"
    assert "expected an encoding" in mistakes(source(encoding="base64"))["source.encoding"]
    assert "found `utf-9`" in mistakes(source(encoding="utf-9"))["source.encoding"]


@pytest.mark.parametrize("zone", ["Europe", "../etc/passwd", "''", "Mars/Base", "5"])
def test_a_zone_is_one_that_the_database_knows(zone):
    assert (
        "expected a time zone such as Europe/Kyiv" in mistakes(small(time=f"{{column: t, zone: {zone}}}"))["time.zone"]
    )


def test_a_city_is_led_to_its_zone():
    assert mistakes(small(time="{column: t, zone: Kiev}"))["time.zone"].endswith("did you mean `Europe/Kiev`?")


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "x y", "''", "ж", "a" * 101])
def test_a_job_has_a_plain_name_since_it_becomes_a_folder(name):
    assert "expected" in mistakes(changed("job: small", f"job: {name}", SMALL))["job"]


def test_paths_are_one_or_many():
    assert job(source()).source.path == ("visits.csv",)
    assert job(changed("visits.csv", "[a.csv, b/*.csv]", SMALL)).source.path == ("a.csv", "b/*.csv")
    assert "empty list" in mistakes(changed("visits.csv", "[]", SMALL))["source.path"]
    assert "blank" in mistakes(changed("visits.csv", "[a.csv, '']", SMALL))["source.path[1]"]


def test_keys_of_a_source_must_go_with_its_format():
    assert set(mistakes(source(format="parquet", delimiter="';'"))) == {"source.delimiter"}
    assert set(mistakes(source(format="csv", explode="items"))) == {"source.explode"}
    assert set(mistakes(source(format="csv", log_format="auto"))) == {"source.log_format"}
    assert set(mistakes(source(log_format="auto", delimiter="';'"))) == {"source.delimiter"}
    log = source(format="access_log", log_format="\"'$remote_addr $status'\"", encoding="cp1251", decimal='","')
    assert job(log).source.log_format == "'$remote_addr $status'"
    assert set(mistakes(source(delimiter="','", decimal="','"))) == {"source.delimiter"}


def test_the_columns_of_a_file_without_header_are_told_apart():
    assert job(source(columns="[id, 2024, 'Customer ID']")).source.columns == ("id", "2024", "Customer ID")
    assert set(mistakes(source(columns="[id, url, ID, '']"))) == {"source.columns[2]", "source.columns[3]"}


@pytest.mark.parametrize("text", ["shop.py", "shop:clean", "shop.py:", ":clean", "shop.py:two words", "3"])
def test_a_transform_is_a_python_file_and_a_function(text):
    assert job(small(transform="lib/shop.py:clean")).transform == "lib/shop.py:clean"
    assert "such as shop.py:clean" in mistakes(small(transform=f"'{text}'"))["transform"]


def test_names_of_expressions_are_plain():
    assert set(mistakes(small(let="{'x y': e, '2)': f, ціна: g}"))) == {"let.x y", "let.2)"}


def test_names_of_expressions_are_told_apart_as_sql_does():
    assert set(mistakes(small(let="{sku: a, SKU: b, item: c, _file: d}"))) == {"let.SKU", "let.item", "let._file"}


@pytest.mark.parametrize("value", ["''", "'  '", "[a]", "{a: b}"])
def test_an_expression_is_a_text_that_is_not_blank(value):
    assert (
        "expected an SQL expression"
        in mistakes(event(f"type: pageViewed\nwhere: {value}\npage: {{location: url}}"))["events[0].where"]
    )


@given(st.decimals(min_value=0, max_value=10**6, places=3), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_any_number_with_a_unit_is_a_duration_of_that_many_units(number, unit):
    one = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    found = values.duration(f"{number}{unit}") if float(number) * one <= 36500 * 86400 else None
    assert found is None or found.total_seconds() == pytest.approx(float(number) * one, abs=1e-6)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_no_value_at_all_ends_otherwise_than_in_words(value):
    for parse in (
        values.duration,
        values.share,
        values.rate,
        values.size,
        values.hours,
        values.expression,
        values.whole,
        values.flag,
    ):
        try:
            parse(value)
        except ValueError as error:
            assert "found" in str(error) or "write 1%" in str(error)  # noqa: PT017 - some values are fine


@pytest.mark.parametrize("name", ["api_key", "apiKey", "api-key", "token"])
def test_a_key_in_the_job_file_is_told_to_go_into_the_environment(name):
    assert "put it into an environment variable" in mistakes(delivery(**{name: "abc"}))[f"delivery.{name}"]


@pytest.mark.parametrize("key", ["rate", "api_key_env", "delimiter"])
def test_a_key_without_its_section_is_told_with_it(key):
    assert f".{key}`" in mistakes(small(**{key: "3"}))[key]
