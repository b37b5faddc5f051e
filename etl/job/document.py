"""A YAML 1.2 text as plain values, with the line of every key and the traps that YAML itself passes over in silence.

Numbers keep their text (`1.10`); dates and all else that is no number, boolean or null is text. Refused: keys that come
twice, tags, merge keys, and, in `{ }` and `[ ]`, expressions that a comma has cut in pieces (RULES §11).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from etl.job.mistakes import Mistake, Where, dotted
from etl.job.shown import shown
from etl.job.values import Number

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "map", "seq")}
_MOST_VALUES = 100_000  # aliases of aliases grow without bound: no job file comes near this
_BRACES = re.compile(r"(?:^|[:\-,\[]\s+)\{\{|\{\{[^}]*\}\}")
_OPEN, _CLOSE = "([{", ")]}"

_HOW = "put the whole expression in quotes, or write the mapping one key a line"
_TEMPLATE = "a value that starts with {{ reads as a mapping; put it in quotes"


@dataclass(slots=True)
class Document:
    """The values of a file, the line of each dotted key, and the mistakes found on the way.

    `dropped` are the keys whose values were lost by a mistake, `empty` those with nothing behind their colon.
    """

    values: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    empty: list[Where] = field(default_factory=list)


def read_document(text: str) -> Document:
    """Read the text of a YAML 1.2 file; what is wrong with it is in `mistakes`, `values` is then what could be read."""
    document = Document()
    try:
        node = _yaml().compose(text)
        if node is not None:
            document.values = _Reader(document).value(node, ())
    except RecursionError:
        document.mistakes.append(Mistake(1, "", "is nested too deeply"))
    except MarkedYAMLError as error:
        document.mistakes.append(_syntax(error, text))
        return document
    except YAMLError as error:  # a character that YAML does not allow; it has a position only
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        character = f"U+{ord(text[position]):04X}" if isinstance(position, int) and position < len(text) else "one"
        document.mistakes.append(Mistake(line, "", f"YAML allows no control characters, found {character}"))
        return document
    return document


def read_scalar(text: str) -> Any:
    """Return the value of `--set KEY=TEXT`: a YAML scalar, list or mapping; raise ValueError where there is none.

    What YAML would cut in pieces, take for a comment or not read is taken as text: a shell quotes once.
    """
    text = text.strip()
    if not text:
        raise ValueError("expected a value, found nothing; null removes a key")
    if "#" in text and text[0] not in "'\"[{":
        return text
    document = read_document(text)
    if document.mistakes or (isinstance(document.values, dict | list) and text[0] not in "[{"):
        return text
    return document.values


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = "1.2"  # 1.1 reads `on:` as true
    return yaml


class _Reader:
    """Turns nodes into values; goes on after a mistake, so that all of them are told at once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0
        self.above: set[int] = set()

    def value(self, node: Node, where: Where) -> Any:
        self.count += 1
        if self.count > _MOST_VALUES or id(node) in self.above:
            if self.count <= _MOST_VALUES + 1:
                self._mistake(node, where, "aliases (*) that repeat themselves without end")
            self.count = max(self.count, _MOST_VALUES + 1)
            return None
        if node.tag not in _PLAIN_TAGS:
            self._mistake(
                node,
                where,
                f"tags such as {shown((node.tag or '').removeprefix(_TAG))} have no meaning here; leave it out",
            )
        self.document.lines.setdefault(dotted(where), _line(node))
        if isinstance(node, ScalarNode):
            return _scalar(node)
        self.above.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, where)
            return self._sequence(node, where) if isinstance(node, SequenceNode) else None
        finally:
            self.above.discard(id(node))

    def _sequence(self, node: SequenceNode, where: Where) -> list[Any]:
        if node.flow_style and (cut := next((n for n in node.value if _is_cut(n)), None)) is not None:
            whole = ", ".join(_source(n) for n in node.value)
            self._drop(cut, where, f"in [ ] a comma ends a value, which cuts {shown(whole)} in pieces; {_HOW}")
            return []
        return [self.value(item, (*where, position)) for position, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        entries = iter(node.value)
        for key_node, value_node in entries:
            if not isinstance(key_node, ScalarNode):
                is_template = isinstance(key_node, MappingNode)
                self._drop(
                    key_node, where, _TEMPLATE if is_template else "expected a plain name as a key, found a list"
                )
                continue
            key = key_node.value
            here = (*where, key)
            if key in first:
                self._mistake(key_node, here, f"comes twice; it stands in line {first[key]} already")
                continue
            first[key] = _line(key_node)
            self.document.lines[dotted(here)] = _line(key_node)
            if node.flow_style and _is_cut(value_node):
                whole = _rejoined(value_node, entries)
                self._drop(
                    key_node, here, f"in {{ }} a comma ends a value, which cuts {shown(whole)} in pieces; {_HOW}"
                )
            elif node.flow_style and _is_empty(value_node):
                self._drop(key_node, here, f"has no value; in {{ }} a comma ends the value before it: {_HOW}")
            elif key_node.tag == f"{_TAG}merge":
                self._mistake(key_node, here, "YAML 1.2 has no merge keys (<<); repeat the keys, or use `let`")
            elif _is_unbraced_template(value_node):
                self._drop(key_node, here, _TEMPLATE)
            else:
                if _is_empty(value_node):
                    self.document.empty.append(here)
                found[key] = self.value(value_node, here)
        return found

    def _drop(self, node: Node, where: Where, message: str) -> None:
        """Note a mistake whose value is lost by it."""
        self._mistake(node, where, message)
        self.document.dropped.add(dotted(where))

    def _mistake(self, node: Node, where: Where, message: str) -> None:
        self.document.mistakes.append(Mistake(_line(node), dotted(where), message))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar(node: ScalarNode) -> Any:
    """Return the value of a scalar; quoted ones are text."""
    text: str = node.value
    match (node.tag or "").removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" | "float":
            try:
                return Number(text)
            except ValueError:  # 0x1F, .inf
                return text
    return text


def _is_plain(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style not in ("'", '"')


def _is_empty(node: Node) -> bool:
    return _is_plain(node) and node.value == ""


def _is_cut(node: Node) -> bool:
    """Return whether a value without quotes opens or closes brackets that it does not hold both of."""
    return _is_plain(node) and not _matches(node.value)


def _matches(text: str) -> bool:
    """Return whether all brackets match; those in SQL strings and quoted names do not count."""
    depth = 0
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
            if depth < 0:
                return False
    return not depth and not quote


def _source(node: Node) -> str:
    return node.value if isinstance(node, ScalarNode) else "…"


def _rejoined(value: Node, entries: Iterator[tuple[Node, Node]]) -> str:
    """Return the expression as it was meant, taking its other pieces from the entries that follow."""
    whole = _source(value)
    for key, item in entries:
        whole += f", {_source(key)}" + ("" if _is_empty(item) else f": {_source(item)}")
        if _matches(whole):
            break
    return whole


def _is_unbraced_template(node: Node) -> bool:
    """Return whether a mapping is what YAML makes of `{{ date }}`."""
    return (
        isinstance(node, MappingNode)
        and bool(node.flow_style)
        and len(node.value) == 1
        and isinstance(node.value[0][0], MappingNode)
    )


def _syntax(error: MarkedYAMLError, text: str) -> Mistake:
    """Put a syntax error into words, with the reason that people most often have for it."""
    mark = error.problem_mark or error.context_mark
    line = int(mark.line) + 1 if mark is not None else 1
    lines = text.splitlines()
    source = lines[line - 1] if line <= len(lines) else ""
    problem = str(error.problem or error.context or "cannot be read")
    words = next((w for start, w in _PROBLEMS if problem.startswith(start)), f"is no YAML: {problem}")
    if _BRACES.search(source):
        words = "is no YAML: a value that starts with {{, or holds it within [ ] or { }, needs quotes"
    elif "{" in source or "[" in source:
        words += "; within { } and [ ] put expressions in quotes, or write one key a line"
    return Mistake(line, "", f"{words}, found {shown(source.strip())}" if source.strip() else words)


_PROBLEMS = (
    (
        "mapping values are not allowed",
        "is no YAML: a value that holds a colon and a blank needs quotes, or the indentation is off",
    ),
    ("found character '\\t'", "is no YAML: indent with blanks, not with tabs"),
    ("found character", "is no YAML: a value that starts with @, `, % or & needs quotes"),
    ("found unexpected end of stream", "is no YAML: a quote is opened and never closed"),
    (
        "expected <block end>, but found '<scalar>'",
        "is no YAML: text goes on after a closing quote or brace; put the whole value in quotes",
    ),
    ("expected <block end>", "is no YAML: the indentation is off"),
    ("but found another document", "is no job file: expected one document, found another after ---"),
    ("expected ',' or", "is no YAML: expected a comma or the end of the braces or brackets"),
    ("found undefined alias", "is no YAML: this alias (*) has no anchor (&) before it"),
)
