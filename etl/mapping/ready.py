"""The ready filters over rows: of bots, of static files, of other methods and of other statuses than those listed.

Each looks at one column by its name, which `let` may give to any expression, whatever kind of source the rows come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa

from etl.job.models import Job
from etl.mapping import kinds
from etl.mapping.binding import FALSE, NULL, Binder
from etl.mapping.bots import bots_among
from etl.mapping.expression import Expression, Scope
from etl.mapping.layers import Layers
from etl.sql import fetch, literal, quote

#: What each filter looks at.
_COLUMNS = {"bots": "user_agent", "static": "path", "methods": "method", "status": "status"}

_BOTS = "bots"  # the table of the user agents of a batch that are bots

#: Images, scripts, styles, fonts and their maps; and what browsers and crawlers fetch by themselves.
_EXTENSIONS = "png jpg jpeg jfif gif webp avif svg svgz ico cur bmp tif tiff apng heic jxl js mjs cjs css map woff woff2 ttf otf eot"
_STATIC = (
    rf"(?is)^[^?#]*(?:\.(?:{_EXTENSIONS.replace(' ', '|')})"
    r"|/(?:favicon[^/?#]*|robots\.txt|sitemap[^/?#]*\.(?:xml|txt)(?:\.gz)?))(?:[?#]|$)"
)


def looked_at(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the key of each ready filter of a job with the name of the column that it looks at."""
    return ((f"filters.{name}", _COLUMNS[name]) for name in job.row_filters if name in _COLUMNS)


def is_ready(name: str) -> bool:
    """Say whether a filter of rows is a ready one."""
    return name in _COLUMNS


def bound(name: str, value: object, bind: Binder, scope: Scope, layers: Layers) -> Expression:
    """Return a ready filter as an expression that is true where a row falls out; a mistake is noted."""
    column, key = _COLUMNS[name], f"filters.{name}"
    if scope.find(column) is None and bind.look_for(column, key, scope):
        return Expression(_sql(name, value, NULL.sql), frozenset(), safe=True)
    if scope.find(column) is None:
        near = scope.columns.near(column, scope.others)
        bind.mistake(
            key, f"this filter looks at the column `{column}`, and there is none{near}; `let` can give the name"
        )
        return FALSE
    found = bind.expression(column, key, scope, layers)
    kind = bind.kind_of(found.sql, layers)
    text = kinds.is_text(kind) or kind.startswith("ENUM")
    if not text and not (name == "status" and kinds.is_number(kind)):
        wanted = "text or a number" if name == "status" else "text"
        bind.mistake(key, f"this filter looks at `{column}`, which is {kind}; expected {wanted}")
        return FALSE
    sql = f"CAST({found.sql} AS VARCHAR)" if text else found.sql
    return Expression(_sql(name, value, sql), found.uses, safe=True)


def agents_of(layers: Layers, scope: Scope) -> str | None:
    """Return the statement that gives the user agents of a batch, each once; None where no row has one."""
    column = scope.find(_COLUMNS["bots"])
    if column is None:
        return None
    return f"SELECT DISTINCT CAST({quote(column)} AS VARCHAR) AS agent FROM ({layers.sql})"


def know_bots(connection: duckdb.DuckDBPyConnection, agents: str | None) -> None:
    """Make the bots known that are among the user agents of a statement; none without a statement."""
    found = pa.array([], pa.string())
    if agents is not None:
        found = bots_among(fetch(connection, agents)["agent"].combine_chunks())
    connection.register(_BOTS, pa.table({"agent": found}))


def _sql(name: str, value: object, column: str) -> str:
    """SQL that is true where a row falls out. Where nothing is in the column a row is no bot and no file, and in no list."""
    listed = value if isinstance(value, Iterable) else ()
    match name:
        case "bots":
            return f"({column} IN (SELECT agent FROM {_BOTS}))"
        case "static":
            return f"regexp_matches({column}, {literal(_STATIC)})"
        case "methods":
            return f"coalesce(upper(trim({column})) NOT IN ({', '.join(literal(str(one)) for one in listed)}), true)"
    # As doubles, since a cast to a whole number rounds.
    return f"coalesce(TRY_CAST({column} AS DOUBLE) NOT IN ({', '.join(map(str, listed))}), true)"
