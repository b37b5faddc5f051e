"""A mended file whose contacts became others is not replayed before somebody says that this is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from called import Shop

from etl.sandbox.record import Record

Records = Callable[[], Record]
JOB = """\
job: small
source: {path: "*.csv"}
contact: {externalCustomerId: user, phone: phone}
time: {column: time}
events:
  - type: productViewed
    product: {productId: sku, price: price}
max_invalid: 100%
delivery: {api: API, stale: send, rate: 1000/s}
"""
ROWS = "user,phone,time,sku,price\n" + "".join(
    f"{user},+38050123456{n},2026-11-20T10:00:0{n}Z,s{n},{price}\n"
    for n, (user, price) in enumerate([("00120", "x"), ("00121", "x"), ("90122", "x"), ("90123", "1.5")])
)


@pytest.fixture
def refused(shop: Shop) -> Path:
    """An export of three rows whose price was wrong; the prices are mended in it."""
    shop.job = JOB.replace("API", shop.api)
    (shop.folder / "a.csv").write_text(ROWS)
    shop.call("run")
    file = shop.folder / "bad.txt"
    shop.call("rejects", "--export", str(file))
    file.write_text(file.read_text().replace(",x,", ",2,"))
    return file


def test_what_was_mended_beside_the_contacts_is_replayed(shop: Shop, refused: Path, record: Records) -> None:
    ended = shop.call("rejects", "--replay", str(refused))
    assert (ended.exit, ended.json["delivered"]) == (0, 3), ended.err


def test_lost_zeros_stop_the_replay_with_words_until_they_are_accepted(
    shop: Shop, refused: Path, record: Records
) -> None:
    refused.write_text(refused.read_text().replace("0012", "12"))
    ended = shop.call("rejects", "--replay", str(refused))
    assert (ended.exit, ended.json["guard"]) == (5, "contacts_changed")
    assert (
        "`user` is another one than what was refused in 2 of 3 rows the way a spreadsheet changes numbers" in ended.err
    )
    assert "--accept-changes" in ended.err
    assert "00120" not in ended.err
    assert record().accepted() == 1
    assert shop.call("rejects", "--replay", str(refused), "--accept-changes").json["delivered"] == 3


def test_phones_in_scientific_form_stop_the_replay(shop: Shop, refused: Path) -> None:
    refused.write_text(refused.read_text().replace("+380501234560", "3.80501E+11"))
    ended = shop.call("rejects", "--replay", str(refused))
    assert (ended.exit, ended.json["guard"]) == (5, "contacts_changed")


def test_contacts_that_all_differ_stop_the_replay(shop: Shop, refused: Path) -> None:
    text = refused.read_text()
    for n, other in enumerate(("a", "b", "c")):
        text = text.replace(("00120", "00121", "90122")[n], other)
    refused.write_text(text)
    assert shop.call("rejects", "--replay", str(refused)).json["guard"] == "contacts_changed"


def test_one_contact_of_many_may_be_mended(shop: Shop, refused: Path) -> None:
    refused.write_text(refused.read_text().replace("90122", "u122"))
    assert shop.call("rejects", "--replay", str(refused)).exit == 0


def test_a_phone_without_its_sign_is_the_same_phone(shop: Shop, refused: Path) -> None:
    refused.write_text(refused.read_text().replace("+380", "380"))
    assert shop.call("rejects", "--replay", str(refused)).exit == 0


def test_a_row_that_was_refused_for_its_contact_is_mended_there(shop: Shop) -> None:
    shop.job = JOB.replace("API", shop.api).replace(", phone: phone", "")
    (shop.folder / "a.csv").write_text("user,phone,time,sku,price\na;b,,2026-11-20T10:00:00Z,s,1\n")
    shop.call("run")
    file = shop.folder / "bad.txt"
    shop.call("rejects", "--export", str(file))
    file.write_text(file.read_text().replace("a;b", "ab"))
    assert shop.call("rejects", "--replay", str(file)).exit == 0


def test_the_option_is_for_a_replay(shop: Shop) -> None:
    shop.job = JOB.replace("API", shop.api)
    assert shop.call("rejects", "--accept-changes").exit == 2
