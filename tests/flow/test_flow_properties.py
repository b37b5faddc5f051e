"""Whatever the rows: the books balance, nothing is twice, every key is in order, and a naive reading in Python gives the same events."""

import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planned import Planned, csv_text, plan

from etl.source.chunk import Limits

JOB = """
events:
  - type: pageViewed
    where: kind in ('page', 'both')
    page: {location: value}
  - type: searchRequest
    where: kind in ('search', 'both')
    search: value
  - type: cartUpdated
    where: kind = 'cart'
    lines: [cart]
    products: {productId: value, quantity: n, price: n}
    recycleStateId: cart
"""

ROW = st.fixed_dictionaries({
    "kind": st.sampled_from(["page", "search", "both", "cart", "cart", "other"]),
    "user": st.sampled_from(["u1", "u2", "u3", ""]),
    "time": st.sampled_from(["2026-11-20T10:00:00Z", "2026-11-20T10:00:01Z", "2026-11-20T11:00:00Z", "bad"]),
    "value": st.sampled_from(["a", "b", 'q"\n,', "ж", ""]),
    "cart": st.sampled_from(["k1", "k2", "k3", ""]),
    "n": st.sampled_from(["1", "2.5", "x"]),
})  # fmt: skip
ROWS = st.lists(ROW, max_size=40)


def planned(rows: list[dict[str, str]], limits: Limits | None = None) -> Planned:
    with tempfile.TemporaryDirectory() as folder:
        return plan(
            Path(folder), JOB, {"a.csv": csv_text(rows) if rows else "kind,user,time,value,cart,n\n"}, limits=limits
        )


def naive(rows: list[dict[str, str]]) -> tuple[list[tuple[str, str, str]], Counter[str]]:
    """The same job by a plain loop: (time, key, content) of each event in order, and where every match went."""
    books: Counter[str] = Counter()
    events: dict[tuple[str, ...], tuple[str, int, int]] = {}
    carts: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = defaultdict(list)
    poisoned: set[tuple[str, str]] = set()
    contacts: dict[str, set[str]] = defaultdict(set)  # by cart: "" is a line without one

    def add(kind: str, key: str, time: str, content: str, place: int, rule: int) -> bool:
        if (kind, key, time, content) in events:
            books["duplicate"] += 1
            return False
        events[kind, key, time, content] = (time, place, rule)
        return True

    for place, row in enumerate(rows):
        kinds = {
            "page": ["pageViewed"],
            "search": ["searchRequest"],
            "both": ["pageViewed", "searchRequest"],
            "cart": ["cartUpdated"],
        }
        matches = kinds.get(row["kind"], [])
        books["extra"] += max(0, len(matches) - 1)
        books["no_rule"] += not matches
        for kind in matches:
            good = bool(row["user"] and row["time"] != "bad" and row["value"])
            if kind == "cartUpdated":
                good = good and row["n"] != "x" and bool(row["cart"])
                cart = (row["cart"], row["user"])
                contacts[row["cart"]].add(row["user"])
                if good:
                    carts[cart].append((place, row))
                elif row["cart"]:
                    poisoned.add(cart)
            elif good:
                add(kind, row["user"], row["time"], row["value"], place, 0 if kind == "pageViewed" else 1)
            books["invalid"] += not good
    for cart, lines in carts.items():
        lacks_a_line = "" in contacts[cart[0]] and len(contacts[cart[0]]) == 2
        if cart in poisoned or lacks_a_line:
            books["invalid"] += len(lines)
            continue
        kept = list({(row["value"], row["n"]): (place, row) for place, row in reversed(lines)}.values())[::-1]
        books["duplicate"] += len(lines) - len(kept)
        kept.sort(key=lambda line: line[0])
        content = json.dumps([[row["value"], float(row["n"])] for _, row in kept]) + cart[0]
        place, last = kept[-1]
        if add("cartUpdated", cart[1], last["time"], content, place, 2):
            pass
        books["folded"] += len(kept) - 1
    ordered = sorted(events.items(), key=lambda item: item[1])
    return [(kind, key, time) for (kind, key, time, _), _ in ordered], books


@given(ROWS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_plan_is_what_a_plain_loop_over_the_rows_would_make(rows: list[dict[str, str]]) -> None:
    found = planned(rows)
    events, books = naive(rows)
    assert [(row["type"], row["key"], row["instant"].strftime("%Y-%m-%dT%H:%M:%SZ")) for row in found.outbox] == events
    assert found.books.balance == 0
    assert found.books.extra == books["extra"]
    assert found.books.filtered.total() == books["no_rule"]
    assert found.books.invalid == books["invalid"] == len(found.quarantine)
    assert found.books.duplicate.total() == books["duplicate"]
    assert found.books.folded == books["folded"]
    assert found.books.events == len(found.outbox) == len({row["id"] for row in found.outbox})


@given(ROWS, st.integers(1, 300))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_size_of_the_batches_changes_nothing(rows: list[dict[str, str]], block: int) -> None:
    whole, cut = planned(rows), planned(rows, Limits(block=block))
    assert [(row["id"], row["body"]) for row in whole.outbox] == [(row["id"], row["body"]) for row in cut.outbox]
    assert whole.books == cut.books
    assert whole.reasons == cut.reasons
