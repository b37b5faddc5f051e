"""The ready filters: what falls out by them, each under its own reason, from any source that has such columns."""

import random
from collections import Counter

import pyarrow as pa
import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA, is_crawler
from mapping_job import HEAD, NOW, batch_of, failures, job_of, map_rows, values

from etl.job.models import Job
from etl.job.read import JobMistakes
from etl.mapping.bots import bots_among
from etl.mapping.mapper import Mapper
from etl.mapping.program import check_syntax

PAGE = "events:\n  - {type: pageViewed, page: {location: url}}\n"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
)
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PEOPLE = [
    CHROME,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 9; CUBOT X18 Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 12; wv) AppleWebKit/537.36 Version/4.0 Chrome/110.0.0.0 Mobile [FB_IAB/FB4A;FBAV/400.0.0.0;]",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 300.0.0.0",
]


def filtered_job(filters: str, head: str = HEAD, more: str = "") -> Job:
    return job_of(f"{more}filters: {{{filters}}}\n{PAGE}", head)


def kept(filters: str, column: str, found: list[object], schema: pa.DataType | None = None) -> list[object]:
    """The values of a column whose rows stay."""
    rows = [{"user": "u", "url": str(n), column: value} for n, value in enumerate(found)]
    kinds = [("user", pa.string()), ("url", pa.string()), (column, schema or pa.string())]
    mapped = map_rows(filtered_job(filters), rows, pa.schema(kinds))
    stay = [int(n) for n in values(mapped, "page.location")] if mapped.by_rule else []
    assert mapped.filtered == Counter({filters.partition(":")[0]: len(found) - len(stay)})
    return [found[n] for n in stay]


def test_bots_are_those_that_the_list_names_as_the_list_itself_has_it() -> None:
    instances = [agent for entry in CRAWLER_USER_AGENTS_DATA for agent in entry.get("instances", [])]
    agents = random.Random(7).sample(instances, 200) + PEOPLE
    assert bots_among(pa.array(agents)).to_pylist() == [agent for agent in agents if is_crawler(agent)]
    assert bots_among(pa.array(PEOPLE)).to_pylist() == []


def test_the_rows_of_bots_fall_out_and_those_without_an_agent_stay() -> None:
    agents = [CHROME, GOOGLE, None, "", "curl/8.5.0", CHROME, GOOGLE]
    assert kept("bots: true", "user_agent", agents) == [CHROME, None, "", CHROME]
    assert (
        kept("bots: true", "user_agent", [CHROME] * 3 + [GOOGLE] * 2, pa.dictionary(pa.int32(), pa.string()))
        == [CHROME] * 3
    )
    assert kept("bots: true", "User-Agent", [GOOGLE, CHROME]) == [CHROME]


def test_the_bots_of_one_batch_are_not_those_of_the_next() -> None:
    batches = [
        batch_of([{"user": "u", "url": "/", "user_agent": agent}]) for agent in (GOOGLE, CHROME, "curl/8.5.0", GOOGLE)
    ]
    schema = pa.schema([(name, pa.string()) for name in ("user", "url", "user_agent")])
    mapper = Mapper(filtered_job("bots: true"), schema, NOW)
    assert [mapper.map(batch).filtered["bots"] for batch in batches] == [1, 0, 1, 1]


@pytest.mark.parametrize(
    "path",
    ["/a.png", "/a/B.JPEG?v=1", "/app.min.js", "/app.mjs#x", "/s.css", "/f.woff2", "/s.css.map", "/favicon.ico", "/favicon-32",
     "/robots.txt", "/sitemap.xml", "/sitemap_products-2.xml.gz?x", "/uk/sitemap-1.xml"],
)  # fmt: skip
def test_a_static_file_is_known_by_its_path(path: str) -> None:
    assert kept("static: true", "path", [path]) == []


def test_a_page_is_no_static_file_and_no_path_is_none() -> None:
    pages = [
        "/",
        "/a",
        "/a.html",
        "/js",
        "/png/",
        "/p.js/x",
        "/p?img=a.png",
        "/p#a.css",
        "/robots.txt/x",
        "/my-robots.txt",
        "/sitemap",
        "/a.json",
        None,
    ]
    assert kept("static: true", "path", list(pages)) == pages


def test_methods_and_status_keep_what_they_list_and_nothing_else() -> None:
    assert kept("methods: [GET, post]", "method", ["GET", "get", " POST ", "HEAD", "", None]) == [
        "GET",
        "get",
        " POST ",
    ]
    assert kept("status: [200, 304]", "status", ["200", " 304", "404", "200.0", "-", "", None]) == [
        "200",
        " 304",
        "200.0",
    ]
    assert kept("status: 200", "status", [200, 304, None], pa.int16()) == [200]
    assert kept("status: 200", "status", [200.0, 200.4, float("nan"), None], pa.float64()) == [200.0]


def test_a_column_that_holds_each_text_once_is_text_too() -> None:
    once = pa.dictionary(pa.int32(), pa.string())
    assert kept("bots: true", "user_agent", [CHROME, GOOGLE, CHROME], once) == [CHROME, CHROME]
    assert kept("static: true", "path", ["/a.png", "/", "/"], once) == ["/", "/"]
    assert kept("methods: [GET]", "method", ["GET", "HEAD", "GET"], once) == ["GET", "GET"]
    assert kept("status: [200]", "status", ["200", "404", "200"], once) == ["200", "200"]


def test_a_row_falls_out_at_the_first_filter_of_the_file_that_takes_it() -> None:
    rows = [
        {"user": "u", "url": str(n), "user_agent": agent, "path": path, "method": method, "status": status}
        for n, (agent, path, method, status) in enumerate(
            [(GOOGLE, "/a.png", "POST", "500"), (CHROME, "/a.png", "POST", "500"), (CHROME, "/x", "POST", "500"),
             (CHROME, "/y", "POST", "500"), (CHROME, "/y", "GET", "500"), (CHROME, "/y", "GET", "200")]
        )
    ]  # fmt: skip
    every = ["bots: true", "static: true", "odd: path = '/x'", "methods: [GET]", "status: [200]"]
    mapped = map_rows(filtered_job(", ".join(every)), rows)
    assert mapped.filtered == Counter(bots=1, static=1, odd=1, methods=1, status=1)
    assert values(mapped, "page.location") == ["5"]
    mapped = map_rows(filtered_job(", ".join(reversed(every))), rows)
    assert mapped.filtered == Counter(status=5)


def test_let_gives_a_filter_what_it_looks_at() -> None:
    job = filtered_job("bots: true, static: true", more="let: {user_agent: client.ua, path: url_path(url)}\n")
    client = pa.struct([("ua", pa.string())])
    rows = [
        {"user": "u", "url": f"https://a.b{end}", "client": {"ua": ua}}
        for ua, end in ((GOOGLE, "/"), (CHROME, "/x.js?y"), (CHROME, "/x?y.js"))
    ]
    mapped = map_rows(job, rows, pa.schema([("user", pa.string()), ("url", pa.string()), ("client", client)]))
    assert mapped.filtered == Counter(bots=1, static=1)
    assert values(mapped, "page.location") == ["https://a.b/x?y.js"]


def test_a_filter_without_its_column_is_a_mistake_that_says_so() -> None:
    with pytest.raises(JobMistakes) as error:
        map_rows(
            filtered_job("bots: true, static: true, methods: GET, status: 200"),
            [{"user": "u", "url": "/", "useragent": "x"}],
        )
    lines = str(error.value).splitlines()
    assert [line.split()[1] for line in lines] == [
        "filters.bots:",
        "filters.static:",
        "filters.methods:",
        "filters.status:",
    ]
    assert "looks at the column `user_agent`, and there is none; did you mean `useragent`?" in lines[0]
    assert "`let` can give the name" in lines[1]


def test_a_filter_whose_column_is_of_another_kind_is_a_mistake() -> None:
    schema = pa.schema([("user", pa.string()), ("url", pa.string()), ("method", pa.int8()), ("status", pa.bool_())])
    with pytest.raises(JobMistakes) as error:
        map_rows(
            filtered_job("methods: GET, status: 200"), [{"user": "u", "url": "/", "method": 1, "status": True}], schema
        )
    assert "looks at `method`, which is TINYINT; expected text" in str(error.value)
    assert "looks at `status`, which is BOOLEAN; expected text or a number" in str(error.value)


def test_a_value_that_does_not_fit_its_type_fails_the_filter_that_looks_at_it() -> None:
    head = HEAD.replace("path: in.csv", "path: in.csv, types: {status: int}")
    rows = [{"user": "u", "url": "/", "status": status} for status in ("200", "ok", None)]
    mapped = map_rows(filtered_job("status: 200", head), rows)
    assert failures(mapped) == [(3, None, "filters.status.failed")]
    assert mapped.filtered == Counter(status=1)


def test_bots_are_filtered_where_a_batch_is_halved_for_an_error() -> None:
    job = job_of(
        "filters: {bots: true}\nevents:\n  - {type: searchRequest, search: \"timezone(zone, timestamptz '2026-01-01 00:00:00+00')\"}\n"
    )
    rows = [
        {"user": "u", "zone": zone, "user_agent": agent}
        for zone in ("UTC", "Atlantis")
        for agent in (GOOGLE, CHROME, GOOGLE)
    ]
    mapped = map_rows(job, rows)
    assert (mapped.rows, mapped.filtered, len(failures(mapped))) == (6, Counter(bots=4), 1)


def test_a_job_whose_source_cannot_be_looked_at_is_still_checked() -> None:
    check_syntax(filtered_job("bots: true, methods: [GET]"))
