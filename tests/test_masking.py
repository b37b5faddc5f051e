"""What looks like contact data is hidden, malformed too; times, prices and product numbers stay; a long text takes time by its length."""

import time

import pytest

from etl.masking import Known, masked, masked_id, snippet


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("olena.k+1@shop.example.ua", "o***@shop.example.ua"),
        ("анна@пошта.укр", "а***@пошта.укр"),
        ("ann@shop", "a***@***"),
        ("ann@@shop.example", "a***@***"),
        ("ann @ shop.example", "a*** @ shop.example"),
        ("ann@", "a***@"),
        ("?m=ann.b%2B1%40shop.example&p=7", "?m=a***%40shop.example&p=7"),
        ("+380 50 123 45 67", "***67"),
        ("+38/050/1234567", "***67"),
        ("+38 (050) 123.45.67", "***67"),
        ("(050) 123-45-67", "***67"),
        ("050 123 45 67", "***67"),
        ("380501234567", "***67"),
        ("%2B380501234567", "***67"),
        ("+3805012345", "***45"),
        ("tel:555-123-4567", "tel:***67"),
    ],
)
def test_addresses_and_phones_are_hidden_also_malformed_ones(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(masked(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "param 12 of 345: over 20480 bytes, see a.b",
        "2026-11-20T10:00:00.123Z and 2026-11-20",
        "2026-11-20 08:05:24+02:00, 2026-11-20 08:05:24 +0200",
        '[20/Nov/2026:08:05:24 +0200] "GET / HTTP/1.1" 200 12345678',
        "20.11.2026 10:00, 11/20/2026 10:00:00",
        "1763629200, 1763629200123, 20261120100000",
        "product 000242, EAN 4820000000017, order 12345678901",
        "1 234 567.00 UAH",
        "192.168.100.200, 3f2504e0-4f89-1234-5678-030512345678",
        "@type, @context",
    ],
)
def test_times_and_numbers_of_things_stay(text: str) -> None:
    assert masked(text) == text


def test_what_is_known_is_hidden_as_a_word_wherever_it_stands() -> None:
    known = Known(["cust-42", "48501112233", "ok"])
    assert masked("no contact CUST-42 (48501112233): cust-421 is not ok", known) == (
        "no contact ***42 (***33): cust-421 is not ok"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [("ann@shop.example", "a***@shop.example"), ("ann@shop", "***op"), ("380501234567", "***67"), ("u-17", "***")],
)
def test_an_id_is_known_again_by_its_owner_alone(value: str, shown: str) -> None:
    assert masked_id(value) == shown


@pytest.mark.parametrize(
    "piece", ["a", "a.", "1 ", "+", "@", "a@", "1-", "(1", "0671234", "+1", "%40", "a @ ", "2020-", " "]
)
def test_masking_takes_time_by_the_length_of_a_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        started = time.process_time()
        masked(text)
        return time.process_time() - started

    # Ten times the text: a quadratic way takes a hundred times as long.
    assert seconds(600_000) < 40 * max(seconds(60_000), 0.002)


def test_a_long_answer_is_cut_first_and_no_piece_of_an_address_stays() -> None:
    started = time.process_time()
    assert len(snippet(b"x" * 50_000_000) or "") == 300
    assert time.process_time() - started < 5
    said = snippet(b"ann@shop.example " * 70 + b"olena@shop.example" * 100) or ""
    assert "nn@" not in said
    assert "olena" not in said
    assert snippet(b" \r\n ") is None
