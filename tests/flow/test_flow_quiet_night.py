"""A quiet night: names of the job that no row of JSON has are null, and the plan says which; a lookup may have no rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from planned import Planned, plan

from etl.delivery.checkpoint import Checkpoint
from etl.flow import state
from etl.job.mistakes import JobMistakes
from etl.job.read import read_text

HEAD = """
job: small
source: {path: "*.ndjson"}
contact: {externalCustomerId: user}
time: {column: time}
delivery: {api: sandbox, stale: send}
"""
PAGE = "events:\n  - {type: pageViewed, page: {location: url}}\n"
ROW = {"user": "u1", "time": "2026-11-20T10:00:00Z", "url": "/1"}


def night(folder: Path, text: str, *rows: dict[str, Any], **files: str) -> Planned:
    given = {"a.ndjson": "".join(json.dumps(row) + "\n" for row in rows)}
    return plan(folder, text, {**given, **{f"{name}.csv": content for name, content in files.items()}}, head=HEAD)


def page(**params: str) -> str:
    return PAGE.replace("}}\n", f"}}, params: {json.dumps(params)}}}\n")


@pytest.mark.parametrize(
    "expression",
    [
        "campaign",
        "campaign.source",
        "lower(campaign.source)",
        "props['campaign']",
        "props.campaign.source",
        "props->>'$.campaign'",
        "campaign->>'$.source'",
        "round(props.price, 2) * 2",
        "props.list[1].id",
        "list_filter(props.list, lambda x: x.price > 1)[1].id",
        "list_transform(items, lambda x: x.price * 2)[1]",
        "items[1].price + 1",
        "campaign > 3 and props.campaign = 'x'",
        "campaign-source",
        "Campaign Source",
        "order",
        "total * 2",
        "everything.campaign.source",
        "nulls.a.b",
        "bare.a.b",
        "query_param(campaign, 'q')",
        "nulls > 3",
    ],
)
def test_what_no_row_has_is_null_in_any_expression(expression: str, tmp_path: Path) -> None:
    row = {**ROW, "props": {"x": 1}, "items": [{"id": 1}], "nulls": None, "bare": {}}
    found = night(tmp_path, "let: {total: props.total, everything: props}\n" + page(it=expression), row)
    assert found.params("it") == [None]
    assert (found.books.events, found.books.invalid) == (1, 0)


def test_the_plan_says_once_which_names_no_row_has(tmp_path: Path) -> None:
    found = night(
        tmp_path, page(one="campaign.source", two="lower(campaign.source)", three="props.x"), {**ROW, "props": {"y": 1}}
    )
    (doubt,) = found.books.doubts
    assert "`campaign.source`, `props.x`: null there" in doubt


def test_rules_over_names_that_no_row_has_take_nothing(tmp_path: Path) -> None:
    rules = PAGE + "  - {type: searchRequest, where: event = 'search', search: query, isFound: 1}\n"
    rules += "  - {type: cartUpdated, where: is_cart, recycleStateId: user, products: "
    rules += "{each: cart.lines, productId: item.sku, quantity: item.n, price: item.price}}\n"
    rules += "  - {type: productViewed, each: seen, product: {productId: item.product.id, price: item.price * 2}}\n"
    found = night(tmp_path, "filters: {bots: true, test: is_test}\n" + rules, ROW)
    assert found.books.by_type == {"pageViewed": 1}


@pytest.mark.parametrize("products", [None, []])
def test_a_cart_over_a_list_that_is_empty_in_every_row_is_read(products: list[Any] | None, tmp_path: Path) -> None:
    rule = "events:\n  - {type: cartUpdated, recycleStateId: user, products: "
    rule += "{each: p.list, productId: item.id, quantity: item.n, price: item.price + 1}}\n"
    found = night(tmp_path, rule, {**ROW, "p": {"list": products, "x": 1}})
    assert (found.books.events, found.books.invalid) == ((1, 0) if products == [] else (0, 1))


@pytest.mark.parametrize(
    ("expression", "meant"), [("propertes.x", "properties"), ("properties.prise", "price"), ("ulr", "url")]
)
def test_a_name_that_is_like_another_is_a_mistake_while_the_job_has_never_run(
    expression: str, meant: str, tmp_path: Path
) -> None:
    with pytest.raises(JobMistakes, match=f"did you mean `{meant}`"):
        night(tmp_path, page(it=expression), {**ROW, "properties": {"price": 1}})


def test_once_the_job_has_run_such_a_name_is_null(tmp_path: Path) -> None:
    job = read_text(HEAD + PAGE, tmp_path / "job.yaml")
    row = {**ROW, "properties": {"price": 1}}
    first = night(tmp_path, PAGE, row)
    place = state.place_of(job, tmp_path / "state")
    with Checkpoint.open(place.checkpoint, job.job, place.destination.address) as checkpoint:
        (run,) = checkpoint.runs()
        checkpoint.update_run(run.run, state="finished")
    assert first.books.events == 1
    again = night(tmp_path, page(it="properties.prices"), {**row, "time": "2026-11-21T10:00:00Z"})
    assert again.params("it") == [None]
    assert "`properties.prices`" in again.books.doubts[0]


def test_a_column_that_a_header_does_not_have_stays_a_mistake(tmp_path: Path) -> None:
    head = HEAD.replace("*.ndjson", "a.csv")
    with pytest.raises(JobMistakes, match="no column `campaign`"):
        plan(tmp_path, page(it="campaign"), {"a.csv": "user,time,url\nu1,2026-11-20T10:00:00Z,/1\n"}, head=head)


@pytest.mark.parametrize("name", ["crm.csv", "crm.jsonl"])
def test_a_lookup_without_rows_matches_nothing_and_the_plan_says_so(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("id,email\n" if name.endswith("csv") else "")
    lookup = f"lookups:\n  crm: {{path: {name}, key: id, on: user, types: {{id: int}}}}\n".replace(
        ", types: {id: int}", ""
    )
    found = night(tmp_path, lookup + page(mail="lower(crm.email)"), ROW)
    assert (found.params("mail"), found.books.lookups) == ([None], {"crm": {"rows": 1, "found": 0}})
    assert found.books.doubts == ["lookup crm has no row (or `where` keeps none): nothing matches"]


def test_a_name_that_no_row_of_a_lookup_has_is_null(tmp_path: Path) -> None:
    (tmp_path / "crm.jsonl").write_text('{"id": "u1", "traits": {"city": "Lviv"}}\n')
    lookup = "lookups:\n  crm: {path: crm.jsonl, key: id, on: user}\n"
    found = night(tmp_path, lookup + page(mail="lower(crm.traits.email)", city="crm.traits.city", x="crm.other"), ROW)
    assert (found.params("mail"), found.params("city"), found.params("x")) == ([None], ["Lviv"], [None])
    assert "`crm.traits.email`, `crm.other`" in found.books.doubts[0]
