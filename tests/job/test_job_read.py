"""A job file is read whole; every mistake is told at once, with file, line, key and what was expected."""

from pathlib import Path

import pytest
from job_example import DESIGN, PATH, SMALL, changed, job, mistakes, small

from etl.errors import Exit, JobError
from etl.job.read import JobMistakes, read_job, read_text


def test_the_job_file_of_the_design_is_read_with_every_key_in_its_place():
    read = job(DESIGN)
    assert read.job == "shop-nightly"
    assert [rule.type for rule in read.events] == [
        "pageViewed",
        "productViewed",
        "productCategoryViewed",
        "cartUpdated",
        "productAddedToWishlist",
        "searchRequest",
        "productImpressions",
        "couponSeen",
    ]
    assert read.named_filters == {"internal": "email like '%@ourshop.example'"}
    assert read.drops_anonymous
    assert read.delivery.rate == 50


def test_all_mistakes_are_told_in_one_go_ordered_by_line():
    text = changed("rate: 50/s", "rate: fast")
    text = changed("page: {location: url}", "page: {loc: url}", text)
    text = changed("zone: Europe/Kyiv", "zone: Europe/Kyif", text)
    with pytest.raises(JobMistakes) as caught:
        read_text(text, PATH)
    assert caught.value.exit == Exit.USAGE
    assert [line.strip() for line in str(caught.value).splitlines()] == [
        "jobs/shop.yaml:13: time.zone: expected a time zone such as Europe/Kyiv, found `Europe/Kyif`; "
        "did you mean `Europe/Kyiv`?",
        "jobs/shop.yaml:23: events[0].page.loc: `page` takes location only; did you mean `location`?",
        "jobs/shop.yaml:23: events[0].page.location: is missing; pageViewed needs it",
        "jobs/shop.yaml:65: delivery.rate: expected requests in a time, such as 50/s, 3000/min or 100/h, found `fast`",
    ]


def test_a_missing_key_is_told_at_the_mapping_that_lacks_it():
    text = changed("delivery: {api: sandbox}", "delivery:\n  rate: 5/s", SMALL)
    with pytest.raises(JobMistakes) as caught:
        read_text(text, PATH)
    assert str(caught.value).startswith("jobs/shop.yaml:7: delivery.api: is missing; expected sandbox or an address")


def test_a_file_without_anything_says_what_a_job_must_have():
    assert set(mistakes("unknown: 1")) == {"unknown", "job", "source", "events", "delivery"}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_a_mistake_in_its_first_line(text):
    with pytest.raises(JobMistakes, match=r"shop\.yaml:1: is empty"):
        read_text(text, PATH)


@pytest.mark.parametrize("text", ["[1, 2]", "just words"])
def test_a_file_that_is_no_mapping_is_a_mistake(text):
    with pytest.raises(JobMistakes, match="expected a mapping with keys"):
        read_text(text, PATH)


def test_an_unknown_key_says_which_was_meant_or_which_there_are():
    assert mistakes(small(dedup="{default: exact}"))["dedup"] == "unknown key; did you mean `dedupe`?"
    assert (
        "expected one of path, format" in mistakes(changed("path: visits.csv", "zzz: 1, path: a", SMALL))["source.zzz"]
    )


def test_null_is_as_good_as_absent_everywhere():
    text = small(transform="null", lookups="null", contacts="~", filters="null", let="", expect="null", keep="null")
    assert job(text).model_dump() == job(SMALL).model_dump()


def test_relative_paths_of_a_job_start_at_the_folder_of_its_file(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text(SMALL, encoding="utf-8")
    read = read_job(path)
    assert (read.path, read.folder) == (path, tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert read_job(path).job == "small"


def test_a_file_that_is_not_there_or_not_utf8_is_said_without_a_traceback(tmp_path):
    with pytest.raises(JobError, match="no such job file"):
        read_job(tmp_path / "none.yaml")
    with pytest.raises(JobError, match="cannot be read"):
        read_job(tmp_path)
    path = tmp_path / "cp1251.yaml"
    path.write_bytes(b"# one\n# \xf0\xe0\n")
    with pytest.raises(JobMistakes, match=r"cp1251\.yaml:2: is no UTF-8"):
        read_job(path)


def test_later_stages_can_place_a_key_even_below_what_the_file_spells_out():
    read = job(DESIGN)
    assert read.place("events[1].product.price") == "jobs/shop.yaml:26: events[1].product.price"
    assert read.place("events[3].lines[1]") == "jobs/shop.yaml:34: events[3].lines[1]"
    assert read.place("time") == "jobs/shop.yaml:11: time"
    assert read.line("events[3].products.each") == 35
    assert read.line("nothing") == 1


def test_a_mistake_of_a_later_stage_reads_like_one_of_the_file():
    read = job(DESIGN)
    error = JobMistakes(read.path, [read.mistake("events[0].where", "no column `evnt`; did you mean `event`?")])
    assert str(error) == "jobs/shop.yaml:22: events[0].where: no column `evnt`; did you mean `event`?"


def test_what_was_set_on_the_command_line_is_placed_there():
    read = job(DESIGN, "events.0.where=evnt = 'x'")
    assert read.place("events[0].where") == "--set events[0].where"
    assert read.place("events[1].where") == "jobs/shop.yaml:25: events[1].where"


def test_a_name_without_a_value_is_a_slip_under_expressions_and_null_under_options():
    text = changed("contact: {email: email}", "contact:\n  email: email\n  phone:\nkey_value:", SMALL)
    assert mistakes(text) == {"contact.phone": "has no value; expected an SQL expression (null leaves the key out)"}


def test_a_delimiter_that_yaml_takes_for_a_comment_is_told():
    text = changed("{path: visits.csv}", "\n  path: visits.csv\n  delimiter: #", SMALL)
    assert "starts a comment" in mistakes(text)["source.delimiter"]


def test_a_mistake_shows_no_address_and_no_login():
    text = changed("rate: 50/s", "rate: jane.doe@example.com")
    assert mistakes(text)["delivery.rate"].endswith("found `j***@example.com`")
    shown = mistakes(changed("https://esputnik.com/api", "https://me:secret@esputnik.com/api"))["delivery.api"]
    assert "secret" not in shown


def test_a_key_written_where_its_name_belongs_is_never_shown():
    shown = mistakes(changed("api_key_env: ESPUTNIK_API_KEY", "api_key_env: A1B2-C3D4"))["delivery.api_key_env"]
    assert "name of an environment variable" in shown
    assert "A1B2" not in shown


def at(path: str) -> str:
    return changed("visits.csv", f'"{path}"', SMALL)


@pytest.mark.parametrize(
    "path",
    [
        "s3://bucket/{{ date | %Y/%m/%d }}/*.csv.gz",
        "GS://bucket",
        "https://example.com/visits.csv?day={{ date }}",
        "http://127.0.0.1:8000/visits.csv",
    ],
)
def test_a_path_may_name_what_is_elsewhere(path):
    assert job(at(path)).source.path == (path,)
    assert job(small(contacts=f"{{known: [a.csv, '{path}']}}")).contacts.known == ("a.csv", path)
    crm = job(small(lookups=f"{{crm: {{path: '{path}', key: id, on: visitor}}}}")).lookups["crm"]
    assert crm.path == (path,)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("https://ann:pa55w0rd@example.com/a.csv", "must hold no login"),
        ("s3://AKIA:pa55w0rd@bucket/a.csv", "must hold no login"),
        ("http://example.com/a.csv?token=pa55w0rd", "write https://"),
        ("https://example.com/exports/?token=pa55w0rd", "name each file"),
        ("https://example.com/exports/*.csv?sig=pa55w0rd", "name each file"),
        ("https://example.com", "name each file"),
        ("https://[::1/a.csv", "cannot be read"),
        ("s3:///a.csv", "a bucket or host"),
        ("s3://buck*/a.csv", "name of a bucket"),
    ],
)
def test_an_address_that_cannot_be_read_is_a_mistake_without_its_secrets(path, expected):
    found = mistakes(at(path))
    assert list(found) == ["source.path"]
    assert expected in found["source.path"]
    assert "pa55w0rd" not in found["source.path"]


def test_what_is_not_there_yet_may_be_written_as_off():
    assert job(small(filters="{bots: false, static: null}")).filters == {}


def test_importing_the_room_loads_no_table_library(tmp_path):
    import subprocess
    import sys

    code = "import sys, etl.job.read, etl.job.fingerprint; print({'pandas', 'pyarrow', 'duckdb'} & set(sys.modules))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
