"""From files to a frozen outbox: carts, duplicates, order and books (RULES §1, 3, 4, 5)."""

import stat
from collections import Counter
from pathlib import Path

import pytest
from planned import HEAD, csv_text, plan

from etl.flow.plan import Choice

CART = """
events:
  - type: cartUpdated
    where: kind in ('cart', 'buy')
    cleared: kind = 'buy'
    lines: [cart]
    products: {productId: sku, quantity: qty, price: price}
    currencyCode: currency
    recycleStateId: cart
"""
PAGE = "\nevents:\n  - {type: pageViewed, page: {location: url}}\n"


def line(cart: str, sku: str, time: str = "2026-11-20T10:00:00Z", **more: str) -> dict[str, str]:
    return {
        "kind": "cart",
        "user": "u",
        "cart": cart,
        "time": time,
        "sku": sku,
        "qty": "1",
        "price": "2.5",
        "currency": "",
        **more,
    }


def page(url: str, time: str, user: str = "u") -> dict[str, str]:
    return {"user": user, "url": url, "time": time}


def test_lines_fold_into_one_cart_in_row_order_even_across_files(tmp_path: Path) -> None:
    first = csv_text([line("k", "b"), line("other", "x"), line("k", "a", time="2026-11-20T10:00:05Z")])
    second = csv_text([line("k", "c", time="2026-11-20T10:00:03Z")])
    found = plan(tmp_path, CART, {"a2.csv": first, "a10.csv": second})
    assert found.params("products") == [
        '[{"productId":"x","quantity":1,"price":2.5}]',
        '[{"productId":"b","quantity":1,"price":2.5},{"productId":"a","quantity":1,"price":2.5},{"productId":"c","quantity":1,"price":2.5}]',
    ]
    assert found.outbox[1]["instant"].isoformat() == "2026-11-20T10:00:03+00:00"  # of the last line, not the latest
    assert (found.books.rows, found.books.folded, found.books.events) == (4, 2, 2)


def test_lines_straddle_batches_and_stay_one_cart(tmp_path: Path) -> None:
    """More lines than any batch or sort chunk holds, interleaved, in a number that does not divide evenly."""
    rows = "kind,user,cart,time,sku,qty,price,currency\n" + "".join(
        f"cart,u{n % 7},c{n % 7},2026-11-20T10:00:00Z,s{n},1,2.5,\n" for n in range(140_003)
    )
    found = plan(tmp_path, CART, {"a.csv": rows})
    assert found.books.rows == 140_003
    assert found.books.invalid_reasons == Counter({"too_large": 140_003})
    found = plan(
        tmp_path, CART.replace("lines: [cart]", 'lines: [cart, "try_cast(sku[2:] as int) // 70"]'), {"a.csv": rows}
    )
    assert found.books.events == found.books.rows - found.books.folded == 14_003
    assert Counter(p.count("productId") for p in found.params("products")).most_common(1)[0][0] == 10


def test_a_line_equal_to_another_of_its_cart_is_a_duplicate_unless_equal_lines_are_meant(tmp_path: Path) -> None:
    rows = [line("k", "a"), line("k", "a", time="2026-11-20T11:00:00Z"), line("k", "a", qty="2")]
    found = plan(tmp_path, CART, rows)
    assert (found.books.duplicate, found.books.folded, found.books.events) == (Counter(exact=1), 1, 1)
    kept = plan(tmp_path, CART.replace("lines: [cart]", "lines: [cart]\n    repeats: keep"), rows)
    assert (kept.books.duplicate, kept.books.folded) == (Counter(), 2)
    assert kept.params("products")[0].count('"a"') == 3


def test_a_bad_line_takes_its_whole_cart_to_the_quarantine(tmp_path: Path) -> None:
    rows = [line("k", "a"), line("ok", "a"), line("k", "", qty="x"), line("k", "a"), line("", "a")]
    found = plan(tmp_path, CART, rows)
    assert found.books.events == 1
    assert found.books.invalid == 4
    assert found.reasons == Counter({
        (2, "cart_line"): 1, (5, "cart_line"): 1, (4, "products.productId.missing"): 1, (4, "products.quantity.not_a_number"): 1,
        (6, "lines.missing"): 1, (6, "recycleStateId.missing"): 1,
    })  # fmt: skip


def test_event_level_fields_must_agree_where_present(tmp_path: Path) -> None:
    agree = [line("k", "a", currency="USD"), line("k", "b"), line("k", "c", currency="USD")]
    differ = [line("d", "a", currency="USD"), line("d", "b", currency="EUR")]
    found = plan(tmp_path, CART, agree + differ)
    assert found.params("currencyCode") == ["USD"]
    assert found.books.invalid_reasons == Counter(lines_differ=2)
    assert (found.books.folded, found.books.invalid) == (2, 2)


def test_a_bought_cart_is_an_empty_list_and_asks_for_no_products(tmp_path: Path) -> None:
    found = plan(tmp_path, CART, [line("k", "a", kind="buy"), line("k", "", kind="buy", price="x")])
    assert found.params("products") == ["[]"]
    assert (found.books.folded, found.books.invalid) == (1, 0)


def test_a_purchase_that_equals_a_line_of_its_cart_clears_the_cart(tmp_path: Path) -> None:
    rows = [line("k", "a"), line("k", "b"), line("k", "a", kind="buy", time="2026-11-20T11:00:00Z")]
    found = plan(tmp_path, CART, rows)
    assert found.params("products") == ["[]"]
    assert (found.books.duplicate, found.books.folded, found.books.events) == (Counter(), 2, 1)
    assert found.outbox[0]["instant"].isoformat() == "2026-11-20T11:00:00+00:00"


def test_a_second_purchase_line_of_the_same_values_is_an_exact_duplicate(tmp_path: Path) -> None:
    rows = [line("k", "a"), line("k", "a", kind="buy"), line("k", "a", kind="buy")]
    found = plan(tmp_path, CART, rows)
    assert found.params("products") == ["[]"]
    assert (found.books.duplicate, found.books.folded, found.books.events) == (Counter(exact=1), 1, 1)


def test_a_line_after_the_one_that_clears_its_cart_is_refused_with_all_its_lines(tmp_path: Path) -> None:
    found = plan(tmp_path, CART, [line("k", "a"), line("k", "a", kind="buy"), line("k", "b")])
    assert (found.books.events, found.books.invalid_reasons) == (0, Counter(lines_differ=3))


def test_a_cart_of_which_a_filter_took_a_line_does_not_go_and_its_lines_are_counted_by_that_filter(
    tmp_path: Path,
) -> None:
    job = CART.replace("events:", "filters: {gifts: price = '0'}\nevents:")
    rows = [
        line("k", "a"),
        line("k", "gift", price="0"),
        line("k", "b"),
        line("whole", "a"),
        line("gone", "c", price="0"),
    ]
    found = plan(tmp_path, job, rows)
    assert found.books.filtered == Counter(gifts=4)
    assert (found.books.short_carts, found.books.events, found.books.invalid) == (Counter(gifts=1), 1, 0)
    assert [body["params"][-1]["value"] for body in found.bodies] == ["whole"]


@pytest.mark.parametrize("size", [1, 30_001])
def test_lines_without_a_contact_beside_a_line_of_their_order_that_has_one_keep_the_cart_back(
    tmp_path: Path, size: int
) -> None:
    """An export that names the contact on the first line of an order only; the lines lie in other batches than their first."""
    first = [line(f"k{n}", "a") for n in range(size)]
    rest = [line(f"k{n}", "b", user="") for n in range(size)]
    rows = [*first, *rest, line("whole", "a"), line("stranger", "a", user="")]
    anonymous = plan(tmp_path, "filters: {anonymous: true}\n" + CART, rows)
    assert anonymous.books.filtered == Counter(anonymous=2 * size + 1)
    assert (anonymous.books.short_carts, anonymous.books.events) == (Counter(anonymous=size), 1)
    invalid = plan(tmp_path, CART, rows)
    assert (invalid.books.events, invalid.books.invalid) == (1, 2 * size + 1)
    assert invalid.books.invalid_reasons["cart_line"] == size


def test_lines_without_a_contact_keep_no_cart_back_where_several_contacts_share_their_lines_values(
    tmp_path: Path,
) -> None:
    rows = [line("k", "a", user="u"), line("k", "b", user="v"), line("k", "c", user="")]
    found = plan(tmp_path, "filters: {anonymous: true}\n" + CART, rows)
    assert (found.books.filtered, found.books.events) == (Counter(anonymous=1), 2)


def test_a_line_that_failed_makes_its_cart_invalid_whatever_a_filter_took(tmp_path: Path) -> None:
    job = CART.replace("events:", "filters: {gifts: price = '0'}\nevents:")
    found = plan(tmp_path, job, [line("k", "a"), line("k", "gift", price="0"), line("k", "b", qty="x")])
    assert (found.books.filtered, found.books.invalid_reasons["cart_line"], found.books.events) == (
        Counter(gifts=1),
        1,
        0,
    )


def test_in_the_hour_that_occurs_twice_the_last_cart_of_the_file_is_the_last_that_goes_and_is_named(
    tmp_path: Path,
) -> None:
    head = HEAD.replace("{column: time}", "{column: time, zone: Europe/Kyiv}")
    clocks = ["03:30:00", "03:50:00", "03:10:00", "03:20:00", "04:05:00"]
    rows = [line(f"k{n}", "a", time=f"2026-10-25 {clock}") for n, clock in enumerate(clocks)]
    found = plan(tmp_path, CART, rows, head=head)
    assert [body["params"][-1]["value"] for body in found.bodies] == ["k0", "k1", "k2", "k3", "k4"]
    assert [row["instant"].strftime("%H:%M") for row in found.outbox] == ["00:30", "00:50", "01:10", "01:20", "02:05"]
    assert (found.books.times_twice, found.books.times_later) == (4, 2)
    assert (found.books.carts_twice, found.books.carts_twice_at) == (4, ["a.csv:2", "a.csv:3", "a.csv:4"])


def test_exact_duplicates_need_the_same_type_key_time_and_content_and_the_first_stays(tmp_path: Path) -> None:
    rows = [page("/a", "2026-11-20T10:00:00Z"), page("/a", "2026-11-20T12:00:00+02:00"), page("/b", "2026-11-20T10:00:00Z"),
            page("/a", "2026-11-20T10:00:00Z", "v"), page("/a", "2026-11-20T10:00:01Z")]  # fmt: skip
    found = plan(tmp_path, PAGE, rows)
    assert found.books.duplicate == Counter(exact=1)
    assert [row["row"] for row in found.outbox] == [2, 4, 5, 6]


def test_key_dedupe_keeps_the_first_or_last_of_each_key_in_time(tmp_path: Path) -> None:
    rows = [page("/a", "2026-11-20T12:00:00Z"), page("/a", "2026-11-20T10:00:00Z"), page("/b", "2026-11-20T11:00:00Z")]
    for keep, expected in (("first", [3, 4]), ("last", [4, 2])):
        found = plan(tmp_path, PAGE + f"dedupe: {{pageViewed: {{key: [location], keep: {keep}}}}}\n", rows)
        assert [row["row"] for row in found.outbox] == expected
        assert found.books.duplicate == Counter(key=1)


def test_window_dedupe_follows_chains(tmp_path: Path) -> None:
    times = ["10:00", "10:20", "10:45", "11:16", "11:46"]
    rows = [page("/a", f"2026-11-20T{time}:00Z") for time in times] + [page("/b", "2026-11-20T10:01:00Z")]
    for keep, expected in (("first", ["10:00", "11:16"]), ("last", ["10:45", "11:46"])):
        found = plan(tmp_path, PAGE + f"dedupe: {{pageViewed: {{window: 30m, by: [location], keep: {keep}}}}}\n", rows)
        kept = [
            row["instant"].strftime("%H:%M")
            for row, url in zip(found.outbox, found.params("page"), strict=True)
            if "/a" in url
        ]
        assert kept == expected
        assert found.books.duplicate == Counter(window=3)


def test_events_go_by_time_then_place_then_rule(tmp_path: Path) -> None:
    job = "\nevents:\n  - {type: searchRequest, search: url}\n  - {type: pageViewed, page: {location: url}}\n"
    rows = [page("/2", "2026-11-20T10:00:01Z"), page("/1", "2026-11-20T10:00:00Z"), page("/3", "2026-11-20T10:00:01Z")]
    found = plan(tmp_path, job, rows)
    assert [(row["row"], row["rule"]) for row in found.outbox] == [(3, 0), (3, 1), (2, 0), (2, 1), (4, 0), (4, 1)]
    assert found.books.extra == 3


def test_the_jobs_own_id_says_alone_which_events_are_the_same(tmp_path: Path) -> None:
    rows = [{**page(url, time), "mid": mid} for url, time, mid in
            (("/a", "2026-11-20T10:00:00Z", "1"), ("/b", "2026-11-20T11:00:00Z", "1"), ("/a", "2026-11-20T10:00:00Z", "2"))]  # fmt: skip
    found = plan(tmp_path, PAGE + "id: mid\n", rows)
    assert found.books.duplicate == Counter(exact=1)
    assert [row["row"] for row in found.outbox] == [2, 4]


def test_without_time_a_row_is_known_by_its_file_and_number_also_in_a_longer_renamed_file(tmp_path: Path) -> None:
    head = HEAD.replace("time: {column: time}\n", "")
    rows = [page("/a", ""), page("/a", ""), page("/b", "")]
    first = plan(tmp_path, PAGE, {"a.csv": csv_text(rows)}, head=head)
    (tmp_path / "a.csv").unlink()
    longer = plan(tmp_path, PAGE, {"renamed.csv": csv_text([*rows, page("/c", "")])}, head=head)
    ids = [row["id"] for row in first.outbox]
    assert len(set(ids)) == 3
    assert [row["id"] for row in longer.outbox][:3] == ids


def test_a_job_with_time_wants_one_on_every_row_and_none_in_the_future(tmp_path: Path) -> None:
    found = plan(
        tmp_path,
        PAGE,
        [page("/a", ""), page("/a", "2126-01-01T00:00:00Z"), page("/a", "soon"), page("/a", "2026-11-20T10:00:00Z")],
    )
    assert found.reasons == Counter({(2, "time"): 1, (3, "future"): 1, (4, "time"): 1})
    assert found.books.events == 1


def test_only_and_sample_keep_a_part_and_filter_the_rest(tmp_path: Path) -> None:
    rows = [page(f"/{n}", "2026-11-20T10:00:00Z", user=f"u{n % 3}") for n in range(30)]
    only = plan(tmp_path, PAGE, rows, choice=Choice(only=frozenset({"u1"})))
    assert (only.books.filtered, only.books.events) == (Counter(only=20), 10)
    sample = plan(tmp_path, PAGE, rows, choice=Choice(sample=7))
    assert (sample.books.filtered, sample.books.events) == (Counter(sample=23), 7)
    again = plan(tmp_path, PAGE, rows, choice=Choice(sample=7))
    assert [row["id"] for row in sample.outbox] == [row["id"] for row in again.outbox]


def test_stale_events_are_dropped_or_asked_about_and_counted(tmp_path: Path) -> None:
    rows = [page("/a", "2020-01-01T10:00:00Z"), page("/b", "2020-01-02T10:00:00Z")]
    dropped = plan(tmp_path, PAGE, rows, head=HEAD.replace("stale: send", "stale: drop"))
    assert (dropped.books.filtered, dropped.books.events) == (Counter(stale=2), 0)
    asked = plan(tmp_path, PAGE, rows, head=HEAD.replace("stale: send", "stale: stop"))
    assert (asked.books.stale, asked.books.oldest, asked.books.events) == (2, "2020-01-01T10:00:00Z", 2)


def test_over_the_limit_a_contact_and_day_the_last_ones_stay(tmp_path: Path) -> None:
    rows = [page(f"/{n}", f"2026-11-20T1{n}:00:00Z") for n in range(5)] + [page("/next", "2026-11-21T10:00:00Z")]
    found = plan(tmp_path, PAGE, rows, head=HEAD.replace("stale: send", "stale: send, max_per_contact: 2"))
    assert found.books.filtered == Counter(max_per_contact=3)
    assert [row["row"] for row in found.outbox] == [5, 6, 7]


def test_an_event_over_20_kb_is_invalid(tmp_path: Path) -> None:
    found = plan(
        tmp_path,
        PAGE,
        [page("/" + "x" * 25_000, "2026-11-20T10:00:00Z"), page("/" + "я" * 9_000, "2026-11-20T10:00:00Z")],
    )
    assert found.reasons == Counter({(2, "too_large"): 1})


def test_unreadable_rows_are_invalid_with_their_line(tmp_path: Path) -> None:
    text = 'user,url,time\nu,/a,2026-11-20T10:00:00Z,extra\nu,"/b\nc",2026-11-20T10:00:00Z\nu\n'
    found = plan(tmp_path, PAGE, {"a.csv": text})
    assert found.reasons == Counter({(2, "ragged"): 1, (5, "ragged"): 1})
    assert found.quarantine[0]["original"] == "u,/a,2026-11-20T10:00:00Z,extra"
    assert found.books.events == 1


@pytest.mark.parametrize("name", ["outbox.parquet", "quarantine.parquet"])
def test_what_holds_contact_data_is_its_owners_alone(name: str, tmp_path: Path) -> None:
    found = plan(tmp_path, PAGE, [page("/a", "2026-11-20T10:00:00Z")])
    assert stat.S_IMODE((found.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state" / "sandbox").stat().st_mode) == 0o700


def test_nothing_but_outbox_quarantine_and_what_was_read_is_left_of_a_plan(tmp_path: Path) -> None:
    found = plan(tmp_path, CART, [line("k", "a")])
    assert sorted(path.name for path in found.folder.iterdir()) == [
        "inputs.json",
        "outbox.parquet",
        "quarantine.parquet",
    ]
    assert not (tmp_path / "state" / "sandbox" / "planning").exists()


FAILING = """
filters: {tiny: cast(weight as double) < 0.1}
events:
  - type: cartUpdated
    where: cast(qty as int) > 0
    lines: [cart]
    products: {productId: sku, quantity: qty, price: price}
    recycleStateId: cart
  - {type: pageViewed, where: kind = 'page', page: {location: sku}}
"""


def test_a_line_whose_where_or_a_filter_fails_on_it_takes_its_whole_cart_along(tmp_path: Path) -> None:
    rows = [
        {**line(cart, sku), "qty": qty, "weight": weight}
        for cart, sku, qty, weight in [
            ("by where", "a", "1", "1"), ("by where", "b", "1 pc", "1"), ("by where", "c", "2", "1"),
            ("by filter", "a", "1", "1"), ("by filter", "b", "1", "light"),
            ("whole", "a", "1", "1"), ("whole", "b", "0", "light"), ("whole", "c", "3", "1"),
        ]
    ]  # fmt: skip
    found = plan(tmp_path, FAILING, rows)
    assert found.reasons == Counter({
        (2, "cart_line"): 1, (3, "where.failed"): 1, (4, "cart_line"): 1, (5, "cart_line"): 1, (6, "filters.tiny.failed"): 1,
        (8, "filters.tiny.failed"): 1,  # `where` is not true of it: it would have been in no cart
    })  # fmt: skip
    assert (found.books.invalid, found.books.folded, found.books.events, found.books.balance) == (6, 1, 1, 0)
    assert found.params("recycleStateId") == ["whole"]


def test_a_failed_line_takes_its_cart_along_from_another_file_too(tmp_path: Path) -> None:
    rows = [{**line("k", sku), "weight": "1", "qty": qty} for sku, qty in (("a", "1"), ("b", "x"), ("c", "1"))]
    found = plan(tmp_path, FAILING, {f"{n}.csv": csv_text([row]) for n, row in enumerate(rows)})
    assert [row["reasons"] for row in found.quarantine] == [["where.failed"], ["cart_line"], ["cart_line"]]
    assert (found.books.events, found.books.balance) == (0, 0)


@pytest.mark.parametrize("place", ["a filter", "where"])
def test_a_row_that_fails_as_try_does_not_see_takes_its_cart_along(place: str, tmp_path: Path) -> None:
    zoned = "timezone(zone, timestamptz '2026-01-01 00:00:00+00')"
    weight = "{tiny: cast(weight as double) < 0.1}"
    if place == "where":
        job = FAILING.replace(weight, "{}").replace("cast(qty as int) > 0", f"{zoned} is not null")
    else:
        job = FAILING.replace(weight, f'{{odd: "{zoned} is null"}}')
    rows = [{**line(cart, sku), "zone": zone} for cart, sku, zone in
            (("k", "a", "UTC"), ("k", "b", "Atlantis"), ("k", "c", "UTC"), ("whole", "a", "UTC"))]  # fmt: skip
    found = plan(tmp_path, job, rows)
    assert found.reasons == Counter({(2, "cart_line"): 1, (3, "expression.failed"): 1, (4, "cart_line"): 1})
    assert (found.params("recycleStateId"), found.books.balance) == (["whole"], 0)


def test_where_each_gives_the_lines_a_list_that_fails_takes_the_cart_along(tmp_path: Path) -> None:
    job = """
events:
  - type: cartUpdated
    each: cast(skus as varchar[])
    where: cast(qty as int) > 0
    lines: [cart]
    products: {productId: item, quantity: "1", price: price}
    recycleStateId: cart
"""
    rows = [
        {**line(cart, ""), "skus": skus, "qty": qty}
        for cart, skus, qty in [
            ("by each", "[a, b]", "1"), ("by each", "[c", "1"), ("by where", "[a]", "1"), ("by where", "[b, c]", "x"),
            ("whole", "[a, b]", "1"), ("whole", "[c", "0"), ("whole", "[d]", "1"),
        ]
    ]  # fmt: skip
    found = plan(tmp_path, job, rows)
    assert found.reasons == Counter({
        (2, "cart_line"): 2, (3, "where.failed"): 1, (4, "cart_line"): 1, (5, "where.failed"): 1,
    })  # fmt: skip
    assert (found.params("recycleStateId"), found.books.folded, found.books.balance) == (["whole"], 2, 0)


def test_a_rule_that_only_clears_needs_no_products(tmp_path: Path) -> None:
    job = """
events:
  - {type: cartUpdated, where: kind = 'buy', cleared: true, recycleStateId: cart}
  - {type: cartUpdated, where: kind = 'bought', cleared: true, lines: [cart], recycleStateId: cart}
"""
    rows = [line("k", "a", kind="buy"), line("m", "b", kind="bought"), line("m", "c", kind="bought"), line("k", "d")]
    found = plan(tmp_path, job, {"a.csv": csv_text(rows)})
    assert found.params("products") == ["[]", "[]"]
    assert (found.books.events, found.books.duplicate, found.books.filtered) == (2, {"exact": 1}, {"no_rule": 1})
