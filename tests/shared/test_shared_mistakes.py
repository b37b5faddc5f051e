"""An analyst's mistakes on a real export are told in words, with place and number, and nothing is sent."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from shared_exports import JOBS, export, read_body
from shared_replay import Said, balances, clickreplay

pytestmark = pytest.mark.shared

NAME = "online_retail_10k.csv"


def attempt(folder: Path, *changes: tuple[str, str], command: str = "run") -> Said:
    """Run the Online Retail job with something in it changed."""
    text = (JOBS / "online_retail.yaml").read_text("utf-8").replace(f"path: {NAME}", f"path: {export(NAME)}")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "retail.yaml").write_text(text, "utf-8")
    json = [] if command == "check" else ["--state", "state", "--json"]
    said = clickreplay(command, "retail.yaml", *json, cwd=folder)
    assert "Traceback" not in said.words
    assert not list(folder.glob("state/*/sandbox.sqlite"))  # it was not even started
    return said


def raw() -> list[dict[str, str]]:
    with export(NAME).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def kept() -> list[dict[str, str]]:
    """The rows that no filter takes."""
    return [row for row in raw() if not row["InvoiceNo"].startswith("C") and row["CustomerID"].strip()]


def stopped(said: Said, guard: str) -> None:
    assert (said.code, said.books["guard"], said.books["delivered"], said.books["requests"]) == (5, guard, 0, 0)
    assert balances(said.books)


@pytest.mark.parametrize("command", ["check", "run"])
def test_wrong_columns_are_told_all_at_once_with_line_and_nearest_name(tmp_path: Path, command: str) -> None:
    changes = (
        ("externalCustomerId: CustomerID", "externalCustomerId: CustomrID"),
        ("price: UnitPrice", "price: Prize"),
    )
    said = attempt(tmp_path, *changes, command=command)
    assert said.code == 2
    assert "retail.yaml:15: contact.externalCustomerId" in said.words
    assert "did you mean `CustomerID`?" in said.words
    assert "retail.yaml:22: events[0].products.price" in said.words


def test_a_wrong_delimiter_names_the_columns_that_are_missing(tmp_path: Path) -> None:
    said = attempt(tmp_path, ('delimiter: ";"', 'delimiter: "|"'))
    assert said.code == 2
    assert "no column `InvoiceDate`" in said.words


def test_without_a_delimiter_the_semicolon_is_found(tmp_path: Path) -> None:
    said = attempt(tmp_path, ('  delimiter: ";"\n', ""), command="plan")
    assert (said.code, said.books["rows"], said.books["invalid"]) == (0, len(raw()), 0)


def test_a_format_that_no_date_has_makes_every_line_invalid_and_stops(tmp_path: Path) -> None:
    said = attempt(tmp_path, ("%d/%m/%Y", "%Y/%m/%d"))
    stopped(said, "max_invalid")
    assert said.books["invalid_reasons"] == {"time": len(kept())}


def test_a_decimal_comma_that_was_not_named_makes_prices_and_their_carts_invalid(tmp_path: Path) -> None:
    said = attempt(tmp_path, ('  decimal: ","\n', ""))
    stopped(said, "max_invalid")
    wrong = [row for row in kept() if "," in row["UnitPrice"]]
    spoilt = {row["InvoiceNo"] for row in wrong}
    beside = [row for row in kept() if "," not in row["UnitPrice"] and row["InvoiceNo"] in spoilt]
    assert said.books["invalid_reasons"] == {"products.price.not_a_number": len(wrong), "cart_line": len(beside)}


def test_unknown_customers_are_invalid_where_no_filter_takes_them(tmp_path: Path) -> None:
    said = attempt(tmp_path, ("  anonymous: true                              # sales without a CustomerID\n", ""))
    stopped(said, "max_invalid")
    unknown = [row for row in raw() if not row["CustomerID"].strip() and not row["InvoiceNo"].startswith("C")]
    assert said.books["invalid_reasons"] == {"no_contact": len(unknown)}


def test_history_does_not_go_out_live_unless_the_job_says_so(tmp_path: Path) -> None:
    said = attempt(tmp_path, ("  stale: send\n", ""))
    stopped(said, "stale")
    assert said.books["pending"] == said.books["events"] > 0
    assert "past_events" in said.books["stopped"]["hint"]


def test_an_input_that_is_not_there_is_exit_4_and_names_what_is(tmp_path: Path) -> None:
    said = attempt(tmp_path, (NAME, "online_retail_11k.csv"))
    assert said.code == 4
    assert NAME in said.words


def test_ids_and_money_keep_their_characters(tmp_path: Path) -> None:
    """Zeros in front, letters behind and amounts with a zero at the end: put into the first invoice, in its own form."""
    head, *lines = export(NAME).read_text("utf-8-sig").splitlines()[:8]
    fields = [line.split(";") for line in lines]
    for number, (code, price) in enumerate(
        [("00123", "2,50"), ("85123A", "1000000,10"), ("1e5", "0,1"), ("0x1F", "007,25")]
    ):
        fields[number][1], fields[number][5], fields[number][6] = code, price, "000042"
    small = tmp_path / "small.csv"
    small.write_text("\n".join([head, *(";".join(each) for each in fields[:4])]), "utf-8-sig")
    said = attempt(tmp_path, (str(export(NAME)), str(small)), command="plan")
    assert said.code == 0, said.words
    (outbox,) = tmp_path.glob("state/*/runs/*/outbox.parquet")
    (text,) = pq.read_table(outbox)["body"].to_pylist()
    body = read_body(text)
    assert body["key"] == body["params"]["externalCustomerId"] == "000042"
    assert [product["productId"] for product in body["params"]["products"]] == ["00123", "85123A", "1e5", "0x1F"]
    assert [str(product["price"].normalize()) for product in body["params"]["products"]] == [
        "2.5",
        "1000000.1",
        "0.1",
        "7.25",
    ]
    assert [f'\\"price\\":{price}' in text for price in ("2.5,", "1000000.1,", "0.1,", "7.25,")] == [True] * 4
