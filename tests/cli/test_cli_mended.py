"""A day whose rejects were mended and delivered is 0, and `rejects` says what is still open."""

from collections.abc import Iterator

import pytest
from called import JOB, Shop, pages
from picky import Picky, picky

DAY = "2026-11-20"


@pytest.fixture
def api() -> Iterator[Picky]:
    with picky() as server:
        yield server


@pytest.fixture
def dated(shop: Shop, api: Picky) -> Shop:
    """A job with a file a day, and an API that refuses /1 and /2."""
    shop.job = JOB.replace('path: "*.csv"', 'path: "{{ date }}.csv"').replace(
        "rate: 1000/s", "rate: 1000/s, max_rejected: 100%"
    )
    shop.api = api.url
    api.refused = {'/1\\"', '/2\\"'}
    shop.write([*pages(30), {"user": "u", "url": "/bad", "time": "never"}], f"{DAY}.csv")
    return shop


def test_dead_letters_that_were_resent_and_delivered_close_their_day(dated: Shop, api: Picky) -> None:
    day = ("--date", DAY)
    assert dated.call("run", *day).exit == 3
    assert dated.call("rejects", *day).json["open"] == {"invalid": 1, "rejected": 2, "unknown": 0}
    api.refused = {'/1\\"'}
    assert dated.call("rejects", "--dead-letters", "--resend").exit == 3
    assert dated.call("run", *day).exit == 3
    assert dated.call("rejects", *day).json["open"] == {"invalid": 1, "rejected": 1, "unknown": 0}
    api.refused = set()
    assert dated.call("rejects", "--dead-letters", "--resend").exit == 0  # those of the replay
    again = dated.call("run", *day)
    assert (again.exit, again.json["rejected"], again.json["finished_before"]) == (0, 2, True)
    assert "delivered by replays" in " ".join(again.json["notes"])
    assert dated.call("run", "--last", "1", *day).exit == 0
    assert dated.call("plan", *day).exit == 0


def test_rows_that_were_mended_and_replayed_are_not_open_any_more(dated: Shop, api: Picky) -> None:
    dated.call("run", "--date", DAY)
    file = dated.folder / "mended"
    dated.call("rejects", "--date", DAY, "--export", str(file), as_json=False)
    file.write_text(file.read_text().replace("never", f"{DAY}T11:00:00Z"))
    api.refused = set()
    assert dated.call("rejects", "--replay", str(file)).json["delivered"] == 3
    found = dated.call("rejects", "--date", DAY)
    assert (found.json["date"], found.json["open"]) == (DAY, {"invalid": 0, "rejected": 0, "unknown": 0})
    assert "still open: 0 invalid, 0 rejected, 0 unknown" in found.err
    assert dated.call("run", "--date", DAY).exit == 0


def test_a_date_without_a_run_and_a_date_beside_a_run_are_mistakes(dated: Shop) -> None:
    dated.call("run", "--date", DAY)
    assert "no run of 2026-11-21" in dated.call("rejects", "--date", "2026-11-21").err
    assert dated.call("rejects", "--date", DAY, "--run", "1").exit == 2


def test_the_lines_of_a_mended_cart_are_not_open_any_more(shop: Shop) -> None:
    shop.job = JOB.replace(
        "{type: pageViewed, page: {location: url}}",
        "{type: cartUpdated, lines: [cart], products: {productId: url, quantity: 1, price: price}, recycleStateId: cart}",
    ).replace("delivery:", "max_invalid: 100%\ndelivery:")
    time = "2026-11-20T10:00:00Z"
    lines = [("c1", "a", "x"), ("c1", "b", "2"), ("c2", "a", "x"), ("c3", "c", "1")]
    shop.write([{"user": cart, "cart": cart, "url": sku, "price": price, "time": time} for cart, sku, price in lines])
    assert shop.call("run").json["invalid"] == 3
    file = shop.folder / "mended"
    shop.call("rejects", "--export", str(file), as_json=False)
    text = file.read_text()
    first = text.index(",x,") if ",x," in text else text.index("x")
    file.write_text(text[:first] + text[first:].replace("x", "1", 1))
    assert shop.call("rejects", "--replay", str(file)).json["delivered"] == 1
    assert shop.call("rejects", "--run", "1").json["open"] == {"invalid": 1, "rejected": 0, "unknown": 0}
