"""How a person is found: among events by locator and keyValue, in raw rows by the text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import JobError
from etl.mapping.contact_lists import SUPPRESSED, read_lists
from etl.outbox.locators import with_locators
from etl.sql import connect

_PHONE = re.compile(r"\+?[\d()\s./-]+")
_DIGITS_OF_A_PHONE = 7
_SHORT = 4  # a number of so few digits stands for many things in a row
_FORMS_AT_ONCE = 50  # RE2 refuses a pattern that grows too large, which some hundreds of these are
_NO_WORD = r"[^\pL\pN_]"


class Traces:
    """Persons to be found, by any of their locators or keyValues, each as it is written or as the SHA-256 of that.

    E-mail addresses are compared without regard to case, phones by their digits, as in the lists of `contacts`.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        if not ids or not all(one.strip() for one in ids):
            raise JobError(
                "--contact names nobody", hint="say --contact ID, or --contact - for ids on stdin, one a line"
            )
        self._lists = read_lists([pa.array(ids, pa.string())], None)
        forms = [form for one in dict.fromkeys(one.strip() for one in ids) for form in _forms(one)]
        self._patterns = _joined(forms)
        # An address or a phone is one person's wherever it stands; another number may be a product's in somebody else's event.
        plain = [one for one in dict.fromkeys(one.strip() for one in ids) if "@" in one or _is_phone(one)]
        self._mentions = _joined([form for one in plain for form in _forms(one)])

    def judge(self, events: pa.Table) -> npt.NDArray[np.bool_]:
        """Say of events (`key`, `contact.<locator>`) which are theirs."""
        return self._lists.judge(events)[SUPPRESSED]

    def judge_texts(self, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """Say of raw rows which hold an id of theirs; null where there is no text."""
        found = pc.match_substring_regex(texts, self._patterns[0])
        for pattern in self._patterns[1:]:
            found = pc.or_(found, pc.match_substring_regex(texts, pattern))
        return found

    def mentioned(self, bodies: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Say of bodies, whosever they are, which hold an e-mail address or a phone of theirs."""
        found = np.zeros(len(bodies), dtype=bool)
        for pattern in self._mentions:
            found |= pc.fill_null(pc.match_substring_regex(bodies, pattern), False).to_numpy(zero_copy_only=False)
        return found

    def judge_bodies(self, keys: Sequence[str], bodies: Sequence[str]) -> list[bool]:
        """Say of events, by keyValue and body, which are theirs."""
        with connect(memory="200MB") as sql:
            given = pa.table(
                {"n": range(len(keys)), "key": pa.array(keys, pa.string()), "body": pa.array(bodies, pa.string())}
            )
            sql.register("given", given)
            events = sql.sql(with_locators("FROM given", "n") + " ORDER BY n").to_arrow_table()
        return [bool(one) for one in self.judge(events) | self.mentioned(pa.array(bodies, pa.string()))]


def _joined(forms: Sequence[str]) -> list[str]:
    """Return patterns that find any of the forms, some forms each."""
    return ["(?i)" + "|".join(forms[at : at + _FORMS_AT_ONCE]) for at in range(0, len(forms), _FORMS_AT_ONCE)]


def _is_phone(one: str) -> bool:
    return bool(_PHONE.fullmatch(one)) and len(re.sub(r"\D", "", one)) >= _DIGITS_OF_A_PHONE + 3


def _forms(one: str) -> list[str]:
    """Return patterns (RE2) of the ways in which a raw row may hold an id; never as a part of a longer word or number."""
    if one.isdecimal() and len(one) <= _SHORT:  # only as a whole value: a quantity of 17 is nobody's
        return [rf'[:,;\t\[]\s*"?{one}"?\s*([,;\t}}\]]|$)', rf"^{one}[,;\t]"]
    spelled = {one, json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1], quote(one, safe="")}
    before = r"[^\pL\pN_.%+-]" if "@" in one else _NO_WORD
    forms = [rf"(^|{before}|%2[0-9A-F]|%3[0-9A-F]){re.escape(form)}({_NO_WORD}|$)" for form in sorted(spelled)]
    digits = re.sub(r"\D", "", one)
    if _PHONE.fullmatch(one) and len(digits) >= _DIGITS_OF_A_PHONE:
        forms.append(r"(^|[^0-9])" + r"[ ()./-]*".join(digits) + r"([^0-9]|$)")
    return forms
