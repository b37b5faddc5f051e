"""Names that the rows of an input do not have, where rows have keys of their own (NDJSON): they are null, as on a quiet night.

A name is followed through the input's columns, the fields of objects and the elements of lists, as far as these are known. Where it leads
nowhere, null takes its place in the expression. So every expression binds whatever the rows of one day have in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import pyarrow as pa

from etl.mapping.expression import Scope
from etl.sql import folded
from etl.tables import is_always_null, is_hollow

Node = dict[str, Any]

_NULL: Node = {
    "class": "CONSTANT",
    "type": "VALUE_CONSTANT",
    "alias": "",
    "query_location": 0,
    "query_location_length": 0,
    "literal": {"kind": "NULL_LITERAL", "text": ""},
}
#: A field that is null in every row.
NOTHING = pa.field("", pa.null())


@dataclass(slots=True)
class Absent:
    """What an expression names and the rows do not have: each name, with one of theirs that is like it, or nothing."""

    names: dict[str, str] = field(default_factory=dict)


def without_absent(tree: Node, scope: Scope, absent: Absent) -> tuple[Node, pa.Field | None]:
    """Return an expression with null in place of what no row has, and the field that it is as a whole, where that is known."""
    walk = _Walk(scope, absent)
    found = walk.replaced(tree, {})
    return found, NOTHING if _is_null(found) else walk.field_of(found, {})


class _Walk:
    def __init__(self, scope: Scope, absent: Absent) -> None:
        self._scope = scope
        self._absent = absent

    def replaced(self, node: Any, bound: Mapping[str, pa.Field | None]) -> Any:
        """Return a part of the tree with null in place of what no row has; `bound` are the names of lambdas around it."""
        if isinstance(node, list):
            return [self.replaced(child, bound) for child in node]
        if not isinstance(node, dict):
            return node
        match node.get("class"):
            case "COLUMN_REF":
                return self._column(node, bound)
            case "FUNCTION" if any(_is_lambda(argument["expression"]) for argument in node["arguments"]):
                return self._over_a_list(node, bound)
        changed = {key: self.replaced(child, bound) for key, child in node.items()}
        base, key = _extracted(changed)
        if base is None or key is None:
            return changed
        if _is_null(base):
            return {**_NULL, "alias": node["alias"]}
        inside = self.field_of(base, bound)
        if inside is None or isinstance(key, int) or self._below(inside, [key], _path(base)) is not NOTHING:
            return changed
        return {**_NULL, "alias": node["alias"]}

    def field_of(self, node: Node, bound: Mapping[str, pa.Field | None]) -> pa.Field | None:
        """Return the field that a part of the tree is, None where that is not known."""
        if node.get("class") == "COLUMN_REF":
            first, *rest = node["column_names"]
            start = bound[first.lower()] if first.lower() in bound else self._start(first)
            return self._below(start, self._own_names(first, rest), first) if start is not None else None
        if node.get("class") == "FUNCTION" and node["function_name"] in ("list_filter", "array_filter", "filter"):
            return self.field_of(node["arguments"][0]["expression"], bound)
        base, key = _extracted(node)
        if base is None or key is None or (inside := self.field_of(base, bound)) is None:
            return None
        return element(inside) if isinstance(key, int) else self._below(inside, [key], _path(base))

    def _column(self, node: Node, bound: Mapping[str, pa.Field | None]) -> Node:
        first, *rest = node["column_names"]
        scope = self._scope
        if first.lower() in bound:
            start = bound[first.lower()]
        elif scope.find(first) is not None or scope.is_ambiguous(first):
            start = self._start(first)
        elif not scope.open or any(folded(first) == folded(later) for later in scope.later):
            return node
        else:
            self._note(first, rest, [*scope.columns.columns, *scope.others])
            start = NOTHING
        if start is None:
            return node
        found = self._below(start, self._own_names(first, rest), first)
        return {**_NULL, "alias": node["alias"]} if found is NOTHING else node

    def _own_names(self, first: str, rest: list[str]) -> list[str]:
        """Return a path below a name; the columns of a lookup are also called by their snake_case."""
        columns = self._scope.lookups.get(self._scope.find(first) or "")
        if columns is None or not rest:
            return rest
        return [columns.find(rest[0]) or rest[0], *rest[1:]]

    def _start(self, name: str) -> pa.Field | None:
        found = self._scope.find(name)
        return self._scope.fields.get(found) if found is not None else None

    def _below(self, start: pa.Field, path: list[str], said: str) -> pa.Field | None:
        """Follow a path of keys; NOTHING where no row has it, None where that is not known."""
        at = start
        for depth, key in enumerate(path):
            if at is NOTHING or is_hollow(at) or pa.types.is_null(at.type):
                return NOTHING
            if not pa.types.is_struct(at.type):
                return None
            inside = {inner.name.lower(): inner for inner in at.type}
            if key.lower() not in inside:
                self._note(".".join([said, *path[:depth], key]), [], [inner.name for inner in at.type], last=key)
                return NOTHING
            at = inside[key.lower()]
        return NOTHING if at is NOTHING or is_always_null(at) or pa.types.is_null(at.type) else at

    def _note(self, name: str, rest: list[str], known: Iterable[str], last: str | None = None) -> None:
        self._absent.names.setdefault(".".join([name, *rest]), like(last or name, known))

    def _over_a_list(self, node: Node, bound: Mapping[str, pa.Field | None]) -> Node:
        """A function with a lambda over the elements of its first argument."""
        first, *others = node["arguments"]
        given = self.replaced(first["expression"], bound)
        if _is_null(given):
            return {**_NULL, "alias": node["alias"]}
        inside = self.field_of(given, bound)
        known_element = element(inside)
        arguments = [{**first, "expression": given}]
        for argument in others:
            expression = argument["expression"]
            if not _is_lambda(expression):
                arguments.append({**argument, "expression": self.replaced(expression, bound)})
                continue
            names = _parameters(expression["lhs"])
            # The first parameter is the element (of list_reduce what was made so far: not known); the second its index.
            known = known_element if len(names) == 1 or not node["function_name"].endswith("reduce") else None
            inner = {**bound, **dict.fromkeys(names), **({names[0]: known} if names else {})}
            arguments.append(
                {**argument, "expression": {**expression, "expr": self.replaced(expression["expr"], inner)}}
            )
        return {**node, "arguments": arguments}


def _is_null(node: Any) -> bool:
    if not isinstance(node, dict) or node.get("class") != "CONSTANT":
        return False
    return bool(node["literal"]["kind"] == "NULL_LITERAL")


def _is_lambda(node: Node) -> bool:
    return bool(node["class"] == "LAMBDA")


def _parameters(node: Any) -> list[str]:
    """Return the names that a lambda gives: one, or those of a row of them."""
    if isinstance(node, list):
        return [name for child in node for name in _parameters(child)]
    if not isinstance(node, dict):
        return []
    if node.get("class") == "COLUMN_REF":
        return [node["column_names"][0].lower()]
    return [name for child in node.values() for name in _parameters(child)]


def element(listed: pa.Field | None) -> pa.Field | None:
    """Return what is known of the elements of a list; None where nothing is."""
    if listed is None or listed is NOTHING:
        return listed
    if is_hollow(listed):
        return NOTHING
    if not pa.types.is_list(listed.type):
        return None
    inside = listed.type.value_field
    return NOTHING if is_always_null(inside) else inside


def _extracted(node: Any) -> tuple[Node | None, str | int | None]:
    """Return what a node takes something out of, and the key or (for an element) the number; None where it is no such node."""
    if not isinstance(node, dict):
        return None, None
    if node.get("class") == "OPERATOR" and node["type"] in ("STRUCT_EXTRACT", "ARRAY_EXTRACT"):
        children = node["children"]
    elif node.get("class") == "FUNCTION" and node["function_name"] in (
        "struct_extract",
        "array_extract",
        "list_extract",
    ):
        children = [argument["expression"] for argument in node["arguments"]]
    else:
        return None, None
    if len(children) != 2:
        return None, None
    base, key = children
    if key["class"] == "CONSTANT" and key["literal"]["kind"] == "STRING":
        return base, str(key["literal"]["text"])
    return base, 0


def _path(node: Node) -> str:
    return ".".join(node["column_names"]) if node.get("class") == "COLUMN_REF" else "…"


def like(name: str, known: Iterable[str]) -> str:
    """Return the name that another is likely meant for: of nearly the same letters, or of the same in another order."""
    names = {one.lower(): one for one in known if not one.startswith("!")}
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.8)
    if not close:
        close = [one for one in names if len(one) > 2 and sorted(one) == sorted(name.lower())]
    return names[close[0]] if close else ""
