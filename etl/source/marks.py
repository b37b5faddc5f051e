"""The three columns of a file of rejected rows: where a row came from, and which rules refused it and why.

They are made for people, who mend the rows beside them, and read back when the mended rows are replayed.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.chunk import Ints

FILE_MARK, PLACE_MARK, RULE_MARK = "rejected_file", "rejected_place", "rejected_rule"
MARKS = (FILE_MARK, PLACE_MARK, RULE_MARK)

#: How a file of rejected rows writes what its encoding lacks, as `\\u0432`. It is that of the input, whose name may hold more.
UNENCODABLE, UNENCODABLE_IN_JSON = "backslashreplace", "clickreplay.json"

#: Where NDJSON carries a line that is no object.
TEXT_MARK = "rejected_text"
#: The column of a log's line.
LINE = "line"

#: Between two rules of a row.
SEPARATOR = "; "
#: What stands for every rule: of a row that no rule has seen.
ANY = "any"

_PLACE = r"^\s*run (?P<run>[0-9]{6,}-[0-9a-f]{6}) row (?P<row>[0-9]{1,18})\s*$"
_RULE = r"^\s*(?:(?P<any>any)\b|events\[(?P<rule>[0-9]{1,4})\])(?: element (?P<element>[0-9]{1,9}))?"


def _as_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(UNENCODABLE_IN_JSON, _as_json)


def place_text(run: str, rows: pa.Array) -> pa.Array:
    """Return the place of rows of a run: `run 000007-ab12cd row 17`."""
    return pc.binary_join_element_wise(f"run {run} row", rows.cast(pa.string()), " ")


def written(name: str, encoding: str) -> str:
    """Return a file's name as FILE_MARK has it in a CSV of this encoding."""
    return name.encode(encoding, UNENCODABLE).decode(encoding)


@dataclass(frozen=True, slots=True)
class Places:
    """What PLACE_MARK says, by row: the run's name (null where the text is no place) and the row's number (0 there)."""

    runs: pa.Array
    rows: Ints


def places_of(texts: pa.Array) -> Places:
    """Read PLACE_MARK back."""
    found = pc.extract_regex(texts, _PLACE)
    rows = pc.fill_null(pc.struct_field(found, "row"), "0").cast(pa.int64())
    return Places(pc.struct_field(found, "run"), rows.to_numpy())


def rules_of(texts: pa.Array, elements: pa.Array) -> tuple[pa.Array, Ints]:
    """Read RULE_MARK back: for each row a list of rules, null for all of them; and which rows (by index) name no rule.

    `elements` are those of a list that the source explodes: a rule that names another element is not this row's.
    """
    parts = pc.split_pattern(pc.fill_null(texts, ""), SEPARATOR)
    owner = pc.list_parent_indices(parts).to_numpy().astype(np.int64)
    found = pc.extract_regex(pc.list_flatten(parts), _RULE)
    read = pc.is_valid(found).to_numpy(zero_copy_only=False)
    unnamed: Ints = np.flatnonzero(np.bincount(owner[read], minlength=len(texts)) == 0)
    number = pc.fill_null(pc.if_else(_empty(found, "rule"), "-1", pc.struct_field(found, "rule")), "-1")
    rule = number.cast(pa.int64()).to_numpy()
    element = pc.if_else(_empty(found, "element"), "-1", pc.struct_field(found, "element"))
    asked = pc.fill_null(element, "-1").cast(pa.int64()).to_numpy()
    own = pc.fill_null(elements, -1).cast(pa.int64()).to_numpy()[owner]
    mine = read & ((asked < 0) | (asked == own))
    free = np.zeros(len(texts), np.bool_)
    free[owner[mine & (rule < 0)]] = True
    kept = mine & (rule >= 0)
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.bincount(owner[kept], minlength=len(texts)))))
    lists = pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(rule[kept], pa.int16()), mask=pa.array(free)
    )
    return lists, unnamed


def _empty(found: pa.Array, part: str) -> pa.Array:
    return pc.equal(pc.struct_field(found, part), "")


def with_marks(lines: pa.ChunkedArray, files: pa.Array, places: pa.Array, rules: pa.Array) -> pa.ChunkedArray:
    """Return lines of NDJSON, each an object, with the marks as their first members."""
    text = pc.utf8_trim_whitespace(lines)
    members = [
        pc.binary_join_element_wise(f'"{name}": ', _json(values), "")
        for name, values in zip(MARKS, (files, places, rules), strict=True)
    ]
    rest = pc.utf8_slice_codeunits(text, 1)
    between = pc.if_else(pc.match_substring_regex(text, r"^\{\s*\}$"), "", ", ")
    return pc.binary_join_element_wise("{", members[0], ", ", members[1], ", ", members[2], between, rest, "")


def without_marks(lines: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return lines of NDJSON without the members that are marks."""
    member = rf'"(?:{"|".join((*MARKS, TEXT_MARK))})"\s*:\s*"(?:[^"\\]|\\.)*"'
    inner = pc.replace_substring_regex(lines, rf",\s*{member}", "")
    return pc.replace_substring_regex(inner, rf"^(\s*\{{)\s*{member}\s*,?\s*", r"\1")


def _json(texts: pa.Array) -> pa.Array:
    """Return texts as JSON strings: these hold no control characters."""
    escaped = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    return pc.binary_join_element_wise('"', escaped, '"', "")
