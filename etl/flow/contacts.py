"""The files of a job's `contacts`: one contact a line, or in the first column of a CSV, plain or as SHA-256."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from etl.errors import GoneInputError, InputError
from etl.job.models import Job
from etl.job.template import fill
from etl.mapping.contact_lists import ContactLists, read_lists
from etl.source.formats import format_of_name
from etl.source.inputs import Input, find_inputs
from etl.source.streams import Read, filled, open_text

_BLOCK = 8 << 20
#: The first field of a line. No locator holds a mark that parts fields: the API forbids them, but for the tab.
_FIRST = r'^\s*(?:"(?P<quoted>(?:[^"]|"")*)"|"?(?P<plain>[^,;\t|"]*))'
_NO_TEXT = "\ufffd"


def find_contacts(job: Job, day: date | None) -> dict[str, list[Input]]:
    """Return the files of each list that the job has; raise InputError where one is missing or is no list."""
    found: dict[str, list[Input]] = {}
    for name in ("suppress", "known"):
        paths = getattr(job.contacts, name, None)
        if paths is None:
            continue
        try:
            found[name] = find_inputs([fill(path, day) for path in paths], job.folder)
        except InputError as error:
            kind = GoneInputError if isinstance(error, GoneInputError) else InputError
            raise kind(f"contacts.{name}: {error.message}", hint=error.hint) from error
        for item in found[name]:
            if format_of_name(item.name) in ("parquet", "ndjson"):
                raise _no_list(name, item)
    return found


def contact_lists(files: Mapping[str, Sequence[Input]]) -> ContactLists | None:
    """Read the lists; None where the job has none. Raises InputError for a file that is empty, no text, or changes meanwhile."""
    if not files:
        return None
    parts = {name: (part for item in items for part in _entries(name, item)) for name, items in files.items()}
    lists = read_lists(parts.get("suppress"), parts.get("known"))
    for items in files.values():
        for item in items:
            item.prove()
    return lists


def _entries(name: str, item: Input) -> Iterator[pa.Array]:
    """Yield the first fields of a file's lines; a header is one of them, and nobody's locator."""
    line, empty = 1, True
    with open_text(item, "utf-8") as read:
        for block in _blocks(read):
            if line == 1 and block.startswith(b"PAR1"):
                raise _no_list(name, item)
            text = block.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
            lines = pc.list_flatten(pc.split_pattern(pa.array([text]), "\n"))
            fields = pc.extract_regex(lines, _FIRST)
            quoted, plain = pc.struct_field(fields, "quoted"), pc.struct_field(fields, "plain")
            first = pc.utf8_trim_whitespace(pc.if_else(pc.equal(quoted, ""), plain, quoted))
            bad = pc.index(pc.match_substring(first, _NO_TEXT), True).as_py()
            if bad >= 0:
                hint = "write the file in UTF-8"
                raise InputError(f"contacts.{name}: {item.shown}:{line + bad}: this line is no UTF-8 text", hint=hint)
            line += text.count("\n")
            first = first.filter(pc.not_equal(first, ""))
            empty = empty and len(first) == 0
            yield first
    if empty:
        hint = "was the list cut off? A list of nobody has a header"
        raise InputError(f"contacts.{name}: {item.shown}: empty, without even a header", hint=hint)


def _blocks(read: Read) -> Iterator[bytes]:
    """Yield the text in pieces that end where a line ends."""
    rest = b""
    while piece := filled(read, _BLOCK):
        rest += piece
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _no_list(name: str, item: Input) -> InputError:
    return InputError(
        f"contacts.{name}: {item.shown} is no list of contacts",
        hint="expected text, one contact a line, or a CSV with the contacts in its first column",
    )
