"""Identity is pinned: a change of these values would make every ledger forget what was sent (RULES §1)."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planned import HEAD, plan

from etl.outbox.identity import content
from etl.sql import connect, literal

ROW = {
    "user": "u1",
    "time": "2026-11-20T10:00:00Z",
    "sku": "00123",
    "price": "45.50",
    "colour": "red",
    "mid": "m1",
    "email": "a@b.cd",
}
PRODUCT = "\nevents:\n  - {type: productViewed, product: {productId: sku, price: price, colour: colour}, params: {n: \"'7'\"}}\n"


def test_the_ids_of_version_1_are_golden(tmp_path: Path) -> None:
    (row,) = plan(tmp_path, PRODUCT, [ROW]).outbox
    assert row["id"].hex() == "6e09adffd1fbd231cdadce5e6e9d80f2"
    assert (row["twin"], row["lane"]) == (14012164458531533480, 3640291131393109838)


def test_an_id_is_sha_256_over_texts_that_have_their_lengths_before_them(tmp_path: Path) -> None:
    (row,) = plan(tmp_path, PRODUCT, [ROW]).outbox
    named = {"params.n": '"7"', "product.colour": '["red"]', "product.price": "45.5", "product.productId": "00123"}
    mapped = "".join(f"{len(name)}:{name}{len(value)}:{value}" for name, value in sorted(named.items()))
    texts = ["productViewed", "u1", "1795168800000000", mapped]
    whole = "clickreplay/1/event" + "".join(f"{len(text)}:{text}" for text in texts)
    assert row["id"] == sha256(whole.encode()).digest()[:16]


LIST = "\nevents:\n  - {type: searchRequest, each: \"string_split(items, ' ')\", search: item}\n"


def id_of(given: str) -> bytes:
    """The id of a searchRequest by the job's `id`."""
    return sha256(f"clickreplay/1/id13:searchRequest{len(given)}:{given}".encode()).digest()[:16]


def test_the_elements_of_each_share_the_id_of_their_row_and_are_told_apart_by_their_position(tmp_path: Path) -> None:
    rows = [{**ROW, "items": "a b a", "mid": mid} for mid in ("m1", "m1", "m2")]
    found = plan(tmp_path, LIST + "id: mid\n", rows)
    assert {row["id"] for row in found.outbox} == {
        id_of(given) for given in ("m1", "m1\x1f1", "m1\x1f2", "m2", "m2\x1f1", "m2\x1f2")
    }
    assert found.books.duplicate == {"exact": 3}


def test_an_id_that_says_itself_which_element_it_is_stays_as_it_is(tmp_path: Path) -> None:
    found = plan(tmp_path, LIST + "id: \"mid || '/' || item\"\n", [{**ROW, "items": "a b a"}])
    assert {row["id"] for row in found.outbox} == {id_of("m1/a"), id_of("m1/b")}
    assert found.books.duplicate == {"exact": 1}


def test_lines_that_a_list_gives_are_one_cart_of_one_id(tmp_path: Path) -> None:
    job = """
id: mid
events:
  - type: cartUpdated
    each: "string_split(items, ' ')"
    lines: [mid]
    products: {productId: item, quantity: "1", price: price}
    recycleStateId: mid
"""
    found = plan(tmp_path, job, [{**ROW, "items": "a b c"}])
    assert (found.books.events, found.books.folded, found.books.invalid) == (1, 2, 0)


def test_an_id_says_nothing_of_other_locators_order_of_keys_or_how_a_number_is_written(tmp_path: Path) -> None:
    (first,) = plan(tmp_path, PRODUCT, [ROW]).outbox
    other = "\nevents:\n  - {type: productViewed, params: {n: \"'7'\"}, product: {colour: colour, price: price, productId: sku}}\n"
    head = HEAD.replace("{externalCustomerId: user}", "{externalCustomerId: user, email: email}")
    (second,) = plan(tmp_path, other, [{**ROW, "price": "45.5"}], head=head).outbox
    assert second["id"] == first["id"]
    assert second["body"] != first["body"]


@pytest.mark.parametrize(
    "change", [{"user": "u2"}, {"time": "2026-11-20T10:00:01Z"}, {"sku": "123"}, {"price": "45.51"}, {"colour": ""}]
)
def test_another_key_time_or_value_is_another_id(change: dict[str, str], tmp_path: Path) -> None:
    ids = {row["id"] for row in plan(tmp_path, PRODUCT, [ROW, {**ROW, **change}]).outbox}
    assert len(ids) == 2


def test_the_twin_says_nothing_of_the_content(tmp_path: Path) -> None:
    rows = plan(tmp_path, PRODUCT, [ROW, {**ROW, "price": "1"}, {**ROW, "user": "u2"}]).outbox
    assert rows[0]["twin"] == rows[1]["twin"] != rows[2]["twin"]
    assert rows[0]["lane"] == rows[1]["lane"] != rows[2]["lane"]


@given(
    st.lists(
        st.lists(
            st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)),
            min_size=3,
            max_size=3,
        ),
        min_size=2,
        max_size=2,
        unique_by=tuple,
    )
)
def test_no_two_lists_of_values_have_the_same_text(lists: list[list[str | None]]) -> None:
    with connect(memory="100MB", threads=1) as sql:
        texts = []
        for values in lists:
            named = [(f"f{n}", "CAST(NULL AS VARCHAR)" if v is None else literal(v)) for n, v in enumerate(values)]
            texts.append(sql.execute(f"SELECT {content(named)}").fetchall()[0][0])
    assert texts[0] != texts[1]
