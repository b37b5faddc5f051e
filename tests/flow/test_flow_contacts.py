"""`contacts`: nothing goes to whom a list forbids, nor to strangers where a list says who is known (RULES §3)."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planned import Planned, csv_text, plan

from etl.errors import InputError
from etl.flow import contacts as contacts_module
from etl.flow.contacts import contact_lists, find_contacts
from etl.flow.inputs import fingerprint, open_inputs
from etl.flow.plan import Choice
from etl.job.fingerprint import mapping_hash
from etl.job.read import read_text
from etl.source.chunk import Limits
from etl.source.inputs import find_inputs

HEAD = """
job: small
source: {path: a.csv}
contact: {externalCustomerId: user, email: email, phone: phone}
time: {column: time}
delivery: {api: sandbox, stale: send}
events:
  - {type: pageViewed, page: {location: url}}
"""
SUPPRESS = "contacts: {suppress: list.csv}\n"
KNOWN = "contacts: {known: list.csv}\n"


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def row(user: str = "", email: str = "", phone: str = "", n: int = 0) -> dict[str, str]:
    return {"user": user, "email": email, "phone": phone, "url": f"/{n}", "time": "2026-11-20T10:00:00Z"}


CARTS = """
  - type: cartUpdated
    where: cart is not null
    lines: [cart]
    products: {productId: sku, quantity: qty, price: price}
    recycleStateId: cart
"""


def planned(folder: Path, text: str, rows: list[dict[str, str]], listed: str | bytes, **options: object) -> Planned:
    (folder / "list.csv").write_bytes(listed if isinstance(listed, bytes) else listed.encode())
    return plan(folder, text, {"a.csv": csv_text(rows)}, head=HEAD, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("listed", "gone"),
    [
        ("ann@example.com", [0]),
        ("  ANN@Example.COM  ", [0]),
        (hashed("ann@example.com"), [0]),
        (hashed("ann@example.com").upper(), [0]),
        (hashed("Ann@Example.com"), []),
        ("+380 (50) 123-45-67", [1]),
        ("380501234567", [1]),
        (hashed("380501234567"), [1]),
        ("0042", [2]),
        (hashed("0042"), [2]),
        ("42", []),
        ("vip", []),
        ("VIP", [3]),
        (hashed("vip"), []),
        ("кот@example.com", [4]),
        (hashed("кот@example.com"), [4]),
    ],
)
def test_a_locator_is_on_a_list_by_its_normal_text_or_the_hash_of_it(
    listed: str, gone: list[int], tmp_path: Path
) -> None:
    rows = [
        row("1", " Ann@Example.com"),
        row("2", phone="+380 50 1234567"),
        row("0042"),
        row("VIP"),
        row("3", "КОТ@example.com"),
    ]
    kept = [n for n in range(len(rows)) if n not in gone]
    found = planned(tmp_path, SUPPRESS, rows, f"contact\n{listed}\n")
    # An address that is no ASCII is invalid to the API; that it was not filtered is what counts here.
    judged = {one["row"] - 2 for one in (*found.outbox, *found.quarantine)}
    assert sorted(judged) == kept
    assert found.books.filtered == Counter({"suppressed": len(gone)} if gone else {})
    only = planned(tmp_path, KNOWN, rows, f"contact\n{listed}\n")
    assert {one["row"] - 2 for one in (*only.outbox, *only.quarantine)} == set(gone)
    assert only.books.filtered["unknown_contact"] == len(kept)
    assert found.books.balance == only.books.balance == 0


@pytest.mark.parametrize(
    "listed",
    [
        b"7\n8\n",
        b"7\r\n8",
        b"id;name\n7;Ann\n8;Bob\n",
        b'"id","note"\n"7","a, ""b""\nc"\n8,x\n',
        b"\xef\xbb\xbf7\t1\n8\t2\n",
        "7\n8\n".encode("utf-16"),
        gzip.compress(b"7,x\n8,y\n", mtime=0),
        b"id,name\n7,\xc4\xe0\n8,\xc4\n",  # what is no UTF-8 stands in another column
        b"7\r8\r",
    ],
)
def test_a_list_is_one_contact_a_line_or_the_first_column_of_a_csv(listed: bytes, tmp_path: Path) -> None:
    found = planned(tmp_path, KNOWN, [row(str(n)) for n in range(10)], listed)
    assert [one["key"] for one in found.outbox] == ["7", "8"]


def test_both_lists_may_be_several_files_and_the_one_that_forbids_counts_first(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    for name, text in (("a.txt", "1\n2\n"), ("b.txt", "3\n")):
        (tmp_path / "lists" / name).write_text(text)
    text = "contacts: {known: [lists/a.txt, lists/b.txt], suppress: list.csv}\n"
    found = planned(tmp_path, text, [row(str(n)) for n in range(1, 6)], "2\n5\n")
    assert [one["key"] for one in found.outbox] == ["1", "3"]
    assert found.books.filtered == {"suppressed": 2, "unknown_contact": 1}


def test_a_key_value_of_the_jobs_own_is_looked_for_as_whatever_locator_it_may_be(tmp_path: Path) -> None:
    text = "key_value: \"coalesce(email, 'x-' || user)\"\n" + SUPPRESS
    rows = [row("1", "Ann@example.com"), row("2"), row("3")]
    found = planned(tmp_path, text, rows, f"{hashed('ann@example.com')}\nx-2\n")
    assert [one["key"] for one in found.outbox] == ["x-3"]
    phones = "key_value: \"'+38 ' || phone\"\n" + SUPPRESS
    assert planned(tmp_path, phones, [row("1", phone="0501234567")], "380501234567").books.filtered == {"suppressed": 1}


def test_contacts_come_after_anonymous_and_before_only_and_validation(tmp_path: Path) -> None:
    rows = [row(), row("1"), row("2"), row("3", email="no mail")]
    text = "filters: {anonymous: true}\n" + SUPPRESS
    found = planned(tmp_path, text, rows, "1\n3\n", choice=Choice(only=frozenset({"2", "1"})))
    assert found.books.filtered == {"anonymous": 1, "suppressed": 2}
    assert (found.books.invalid, found.books.events) == (0, 1)
    strangers = planned(tmp_path, KNOWN, rows, "1\n", choice=Choice(only=frozenset({"2"})))
    assert strangers.books.filtered == {"unknown_contact": 3, "only": 1}


def test_a_match_whose_locator_failed_is_invalid_and_not_unknown(tmp_path: Path) -> None:
    head = HEAD.replace("externalCustomerId: user", "externalCustomerId: 'user::int'")
    (tmp_path / "list.csv").write_text("1\n")
    found = plan(tmp_path, KNOWN, {"a.csv": csv_text([row("1"), row("x"), row("2")])}, head=head)
    assert found.books.filtered == {"unknown_contact": 1}
    assert found.books.invalid_reasons["contact.externalCustomerId.failed"] == 1


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (b"", "contacts.suppress: list.csv: empty, without even a header"),
        (b" \n\n", "contacts.suppress: list.csv: empty, without even a header"),
        (b"email\nann@example.com\n\xc4\xe0@x.ua\n", "contacts.suppress: list.csv:3: this line is no UTF-8 text"),
        (b"PAR1....", "contacts.suppress: list.csv is no list of contacts"),
        (b"PK\x03\x04....", "cannot read list.csv: it is a zip archive"),
    ],
)
def test_what_is_no_list_is_an_error_of_the_input_and_shows_no_contact(
    listed: bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        planned(tmp_path, SUPPRESS, [row("1")], listed)
    assert error.value.message == words


def test_a_list_that_is_missing_or_of_another_format_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text([row("1")]))
    job = read_text(HEAD + SUPPRESS, tmp_path / "job.yaml")
    with pytest.raises(InputError, match=r"contacts\.suppress: no input: nothing found at list\.csv"):
        open_inputs(job, None)
    (tmp_path / "list.parquet").write_text("x")
    job = read_text(HEAD + SUPPRESS.replace("csv", "parquet"), tmp_path / "job.yaml")
    with pytest.raises(InputError, match=r"list\.parquet is no list of contacts"):
        open_inputs(job, None)


def test_a_list_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("1\n")
    files = {"suppress": find_inputs(["list.csv"], tmp_path)}
    file.write_text("1\n2\n")
    with pytest.raises(InputError, match="changed while it was read"):
        contact_lists(files)


def test_lists_are_in_the_fingerprint_of_a_plan_and_not_in_the_mapping(tmp_path: Path) -> None:
    """They are a guard: a run that was cut goes on under other lists, and is checked against those."""
    (tmp_path / "a.csv").write_text(csv_text([row("1")]))
    marks, mappings = set(), set()
    for text, listed, time in (
        ("", "1\n", 1), (SUPPRESS, "1\n", 1), (SUPPRESS, "1\n2\n", 1), (SUPPRESS, "1\n", 2), (KNOWN, "1\n", 1),
    ):  # fmt: skip
        (tmp_path / "list.csv").write_text(listed)
        os.utime(tmp_path / "list.csv", (time, time))
        job = read_text(HEAD + text, tmp_path / "job.yaml")
        marks.add(fingerprint(job, "sandbox", None, open_inputs(job, None)))
        mappings.add(mapping_hash(job))
    assert (len(marks), len(mappings)) == (5, 1)


def test_a_job_without_lists_has_none(tmp_path: Path) -> None:
    assert contact_lists(find_contacts(read_text(HEAD, tmp_path / "job.yaml"), None)) is None


WHO = st.sampled_from(["", "1", "2", "03", "Ann@example.com", "ann@example.com", "bob@example.com"])
ENTRY = st.tuples(WHO, st.booleans())


@given(
    rows=st.lists(st.tuples(WHO, WHO), max_size=25),
    suppress=st.none() | st.lists(ENTRY, max_size=4),
    known=st.none() | st.lists(ENTRY, max_size=4),
    block=st.integers(1, 200),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_books_are_those_of_a_plain_loop_and_the_size_of_blocks_changes_nothing(
    rows: list[tuple[str, str]],
    suppress: list[tuple[str, bool]] | None,
    known: list[tuple[str, bool]] | None,
    block: int,
    tmp_path: Path,
) -> None:
    def normal(text: str) -> str:
        return text.lower() if "@" in text else text

    lists: dict[str, set[str] | None] = {"suppress": None, "known": None}
    for name, entries in (("suppress", suppress), ("known", known)):
        if entries is not None:
            lists[name] = {who for who, _ in entries if who}
            lines = ["header", *(hashed(normal(who)) if as_hash and who else who for who, as_hash in entries)]
            (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    expected: Counter[str] = Counter()
    for user, mail in rows:

        def listed(name: str, user: str = user, mail: str = mail) -> bool:
            entries = (suppress if name == "suppress" else known) or []
            for who, as_hash in entries:
                if not who:
                    continue
                if mail and "@" in mail and normal(mail) == normal(who):
                    return True
                texts = {normal(who)} if as_hash else {who, normal(who)}
                if user in texts or (mail and "@" not in mail and mail in texts):
                    return True
            return False

        if lists["suppress"] is not None and listed("suppress"):
            expected["suppressed"] += 1
        elif lists["known"] is not None and not listed("known"):
            expected["unknown_contact"] += 1
    text = "".join(f"  {name}: {name}.txt\n" for name, entries in lists.items() if entries is not None)
    text = f"contacts:\n{text}" if text else ""
    visits = [row(user, mail, n=n) for n, (user, mail) in enumerate(rows)]
    files = {"a.csv": csv_text(visits) if visits else "user,email,phone,url,time\n"}
    whole, cut = (plan(tmp_path, text, files, head=HEAD, limits=limits) for limits in (None, Limits(block=block)))
    assert whole.books == cut.books
    assert whole.books.balance == 0
    assert whole.books.filtered == expected


def test_blocks_of_a_list_end_where_lines_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts_module, "_BLOCK", 7)
    lines = "".join(f"{n:05d},x\n" for n in range(50))
    found = planned(tmp_path, KNOWN, [row(f"{n:05d}") for n in range(40, 60)], lines)
    assert found.books.filtered == {"unknown_contact": 10}


def test_a_cart_with_a_line_of_a_suppressed_contact_does_not_go_with_its_other_lines(tmp_path: Path) -> None:
    head = HEAD.replace("events:", "events:" + CARTS).replace(
        "{type: pageViewed,", "{type: pageViewed, where: cart is null,"
    )
    (tmp_path / "list.csv").write_text("ann@example.com")
    lines = [
        {**row("u1", mail), "cart": "k", "sku": sku, "qty": "1", "price": "2"}
        for mail, sku in (("", "a"), ("ann@example.com", "b"))
    ]
    other = {**row("u2"), "cart": "k2", "sku": "a", "qty": "1", "price": "2"}
    found = plan(tmp_path, SUPPRESS, {"a.csv": csv_text([*lines, other])}, head=head)
    assert (found.books.filtered, found.books.events) == (Counter(suppressed=2), 1)
    assert found.books.short_carts == Counter(suppressed=1)
