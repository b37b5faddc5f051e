"""Names with dots that an input has in two spellings: `user.id` as one flat key, and as the field `id` of `user`.

Of the rows of such an input, each has the one or the other: whichever an expression means, the other rows would have null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from etl.mapping.expression import ExpressionError, Scope, dotted_names


def refuse_two_spellings(text: str, scope: Scope, connection: duckdb.DuckDBPyConnection) -> None:
    """Raise ExpressionError where a name with dots may be a flat key or a field, or is not what it seems."""
    whole = text in scope.columns.columns
    for parts in [text.split(".")] if whole else dotted_names(text, connection):
        if len(parts) < 2 or parts[0] in scope.others:
            continue
        name = ".".join(parts)
        found = list(_readings(list(scope.fields.values()), parts))
        written = [_written(keys) for keys in found]
        if len(found) > 1:
            raise ExpressionError(
                f"`{name}` has two spellings in this input: {' and '.join(written)}; write the one that you mean, "
                f"or coalesce({', '.join(written)}) for both"
            )
        if found and not whole and found[0] != tuple(parts):
            raise ExpressionError(
                f"`{name}` is a field of `{parts[0]}` here, and the input has the key {written[0]}: write that"
            )


def _readings(fields: Sequence[pa.Field], parts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the ways of keys that a name with dots may mean."""
    by_name = {field.name.casefold(): field for field in fields}
    for count in range(1, len(parts) + 1):
        field = by_name.get(".".join(parts[:count]).casefold())
        if field is None:
            continue
        key, rest = ".".join(parts[:count]), parts[count:]
        if not rest:
            yield (key,)
        elif pa.types.is_struct(field.type):
            for below in _readings(list(field.type), rest):
                yield (key, *below)


def _written(keys: tuple[str, ...]) -> str:
    first, *rest = keys
    start = f'"{first}"' if "." in first or not rest else first
    return start + "".join(f"['{key}']" for key in rest)
