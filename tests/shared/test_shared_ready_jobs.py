"""The ready jobs of `jobs/` on real exports that nobody here made, with as little changed as their shops differ from the samples'."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import crawleruseragents
import expected_snowplow_shop
import pyarrow.parquet as pq
import pytest
from ready_jobs import JOBS, keep_first_in, page
from shared_exports import Event, Expected, epoch_ms, export, read_body
from shared_replay import Replay, Said, balances, replaying

pytestmark = pytest.mark.shared


def settings(**values: str | Path) -> list[str]:
    """Overrides of keys of the job file; `__` stands for a dot."""
    pairs = [f"{key.replace('__', '.')}={value}" for key, value in values.items()]
    return [part for pair in [*pairs, "delivery.rate=5000/s"] for part in ("--set", pair)]


def check(replay: Replay, said: Said, expected: Expected) -> None:
    assert said.code == 0, said.words
    assert balances(said.books)
    names = ("rows", "extra", "filtered", "invalid_reasons", "duplicate", "by_type")
    assert {name: said.books[name] for name in names} == {name: getattr(expected, name) for name in names}
    bodies = [read_body(row["body"]) for row in replay.outbox(said.books["run"])]
    assert bodies == expected.bodies
    assert replay.recorded.accepted() == len(bodies) > 0


def test_snowplow_knows_browsers_by_their_e_commerce_context(tmp_path: Path) -> None:
    source = export("snowplow_ecommerce_events.csv")
    with replaying(JOBS / "snowplow.yaml", source, tmp_path) as replay:
        # Its page views are told as `unstruct` events: here every row that has a page counts as one.
        pages = "events[0].where=event = 'unstruct' and page_url is not null"
        given = [*settings(lookups__known__path=source), "--set", pages]
        expected = expected_snowplow_shop.expected(source, "unstruct")
        check(replay, replay.call("run", *given), expected)
        assert expected.by_type["cartUpdated"] > 0
        assert expected.filtered["anonymous"] > 0


def test_ga4s_job_reads_a_kin_of_its_export(tmp_path: Path) -> None:
    """AWS's Clickstream has GA4's columns and records of parameters; its times are milliseconds, and its app sells nothing."""
    source = export("aws_clickstream_test_app.parquet")
    rows = pq.read_table(source).to_pylist()
    books = Expected(rows=len(rows))
    events = []
    for number, row in enumerate(rows):
        if not row["event_name"].startswith("PageView"):
            books.filtered["no_rule"] += 1
            continue
        said = {param["key"]: param["value"] for param in row["event_params"]}
        session, lasted = said["_session_id"]["string_value"], said["_session_duration"]["int_value"]
        user, place = row["user_id"], f"app://{row['event_name']}/{session}/{lasted}"
        params = {"externalCustomerId": user, "page": {"location": place}}
        events.append(Event(epoch_ms(row["event_timestamp"]), (number, 0), "pageViewed", user, params))
    books.take(events)
    location = " || '/' || ".join(
        [
            "'app://' || event_name",
            "event_param(event_params, '_session_id')",
            "event_param(event_params, '_session_duration')",
        ]
    )
    pages = [{"type": "pageViewed", "where": "event_name like 'PageView%'", "page": {"location": location}}]
    with replaying(JOBS / "ga4_bigquery.yaml", source, tmp_path) as replay:
        check(replay, replay.call("run", *settings(events=json.dumps(pages), dedupe="null")), books)


LINE = re.compile(r'(\S+) - \S+ \[(.+?)\] "(\S+) (\S+) \S+" (\d+) \S+ "(?:.*?)" "(.*?)" "(?:.*?)"')
STATIC = re.compile(r"(?i)\.(png|jpe?g|gif|svg|webp|ico|css|js|map|woff2?|ttf|eot)$|^/(favicon\.ico|robots\.txt)$")
KNOWN = ("1", "3", "5", "7", "9")  # half of the addresses, by their last digit: people whom a crm would know


def test_a_real_shops_log_by_the_nginx_job(tmp_path: Path) -> None:
    source = export("logs/zanbil_shop.log")
    lines = source.read_text("utf-8").splitlines()
    hosts = {line.split()[0] for line in lines}
    (tmp_path / "crm.csv").write_text(
        "visitor_id,customer_id,email\n"
        + "".join(f"{h},c-{h},{h}@example.com\n" for h in sorted(hosts) if h.endswith(KNOWN))
    )
    skus = {found[1] for line in lines if (found := re.search(r"/product/(\d+)", line))}
    (tmp_path / "products.csv").write_text(
        "sku,price,in_stock\n" + "".join(f"{sku},{int(sku) % 97}.5,1\n" for sku in sorted(skus) if int(sku) % 4)
    )
    books = Expected(rows=len(lines))
    events = []
    for number, line in enumerate(lines):
        hit = LINE.fullmatch(line)
        assert hit is not None, line
        host, time, method, target, status, agent = hit.groups()
        url = urlsplit(target)
        out = {
            "bots": crawleruseragents.is_crawler(agent),
            "static": bool(STATIC.search(url.path)),
            "methods": method != "GET",
            "status": status not in ("200", "304"),
        }
        if any(out.values()):
            books.filtered[next(name for name, falls in out.items() if falls)] += 1
            continue
        matches: list[tuple[int, str, dict[str, object]]] = [
            (0, "pageViewed", {"page": page("https://shop.example" + target)})
        ]
        sku = re.match(r"(?:/m)?/product/(\d+)", url.path)
        if sku and int(sku[1]) % 4:
            product = {"productId": sku[1], "price": Decimal(f"{int(sku[1]) % 97}.5"), "isInStock": Decimal(1)}
            matches.append((1, "productViewed", {"product": product}))
        if filtered := re.match(r"(?:/m)?/filter/([^/?]+)", url.path):
            matches.append((2, "productCategoryViewed", {"category": {"productCategoryId": unquote(filtered[1])}}))
        if phrase := parse_qs(url.query).get("phrase"):
            assert url.path == "/search"
            matches.append((4, "searchRequest", {"search": phrase[0], "isFound": Decimal(1)}))
        books.extra += len(matches) - 1
        if not host.endswith(KNOWN):
            books.filtered["anonymous"] += len(matches)
            continue
        contact = {"externalCustomerId": f"c-{host}", "email": f"{host}@example.com"}
        instant = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z")
        events += [
            Event(instant, (number, rule), kind, f"c-{host}", contact | params) for rule, kind, params in matches
        ]
    books.take(events)
    keep_first_in(books, "pageViewed", timedelta(minutes=30), lambda event: event.params["page"]["location"])
    keep_first_in(books, "searchRequest", timedelta(minutes=30), lambda event: event.params["search"])
    given = settings(
        source__log_format="combined",
        lookups__crm__path=tmp_path / "crm.csv",
        lookups__prices__path=tmp_path / "products.csv",
        let__visitor="host",  # it keeps no cookies
        let__sku="coalesce(path_param(path, '/product/{sku}/*'), path_param(path, '/m/product/{sku}/*'))",
        let__category="coalesce(path_param(path, '/filter/{category}/*'), path_param(path, '/m/filter/{category}/*'))",
    )
    given += [
        "--set",
        "events[4].where=query_param(query, 'phrase') is not null",
        "--set",
        "events[4].search=query_param(query, 'phrase')",
    ]
    with replaying(JOBS / "nginx_log.yaml", source, tmp_path) as replay:
        check(replay, replay.call("run", *given), books)
        assert min(books.by_type[kind] for kind in ("pageViewed", "productViewed", "productCategoryViewed")) > 0
