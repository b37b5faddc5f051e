"""`transform: jobs/shop.py:clean`: a function of the user's, DataFrame to DataFrame, over each batch (RULES §3).

It may drop rows and change, add or drop columns; it never adds rows. A row is known by its label in the frame's index, so
its place stays with it, whatever the function does to the order.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from etl.errors import JobError
from etl.job.models import Job
from etl.mapping.contact_paths import contact_paths
from etl.mapping.names import Names
from etl.masking import Known, masked
from etl.sql import folded
from etl.tables import PLACE, RULES, is_open, opened

_LONGEST = 1_000  # characters of an error that are told
#: What an error may quote: a text in quotes, and each word.
_WORDS = re.compile(r"""(?<!\w)'([^']*)'|"([^"]*)"|([^\s'",;:()\[\]{}]+)""")

_RESERVED = frozenset(folded(name) for name in (*PLACE.names, RULES))

Frames = Callable[[pd.DataFrame], pd.DataFrame]


class Transform:
    """A job's transform, loaded. `schema` is what the expressions see: the columns that come out of it.

    Raises JobError where the function cannot be found, fails, or does what it may not.
    """

    def __init__(self, job: Job, columns: pa.Schema) -> None:
        self._file, self._name = transform_of(job)
        self._function = _load(self._file, self._name)
        self._contacts = frozenset(path[0] for path in contact_paths(job))
        self._types = {field.name: field.type for field in columns}
        # What comes out is known from no rows at all: so it is the same for every batch.
        out = self._call(_frame(columns.empty_table()))
        given = pa.schema([pa.field(str(name), self._type(str(name), out[name])) for name in out.columns])
        self.schema = opened(given) if is_open(columns) else given

    def apply(self, batch: pa.Table) -> pa.Table:
        """Return the rows of a batch (the source's columns and places) that the function keeps, with its columns and their places."""
        ours = [name for name in (*PLACE.names, RULES) if name in batch.column_names]
        places = batch.select(ours)
        out = self._call(_frame(batch.drop_columns(ours)))
        if not out.index.is_unique or not out.index.isin(range(batch.num_rows)).all():
            raise self._mistake(
                "it gives back rows that it did not get",
                "it may drop rows, never add any; keep the index of the frame (no reset_index, concat or explode)",
            )
        kept = np.sort(out.index.to_numpy())
        out = out.loc[kept]
        missing = [name for name in self.schema.names if name not in out.columns]
        if missing:
            raise self._mistake(
                f"a batch has no column {missing[0]!r}, which it gives for an empty one",
                "give the same columns each time",
            )
        columns = [self._column(field, out[field.name]) for field in self.schema]
        table = pa.Table.from_arrays(columns, schema=self.schema)
        for field in places.schema:
            table = table.append_column(field, places[field.name].take(pa.array(kept)))
        return table

    def _type(self, name: str, series: pd.Series) -> pa.DataType:
        if name in self._types:
            return self._types[name]
        found = pa.Array.from_pandas(series).type
        # An empty column of objects says nothing: text, as everything else that nobody has given a type.
        return pa.string() if pa.types.is_null(found) else found

    def _column(self, field: pa.Field, series: pd.Series) -> pa.Array:
        try:
            if pa.types.is_string(field.type):
                series = series.astype("string[pyarrow]")
            array = pa.Array.from_pandas(series, type=field.type)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise self._mistake(
                f"column {field.name!r} holds something else than {field.type}: {self._told(error, series.to_frame(), made=True)}",
                "convert it in the function, astype(str) say",
            ) from error
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array

    def _call(self, frame: pd.DataFrame) -> pd.DataFrame:
        try:
            out = self._function(frame)
        except Exception as error:
            raise self._mistake(
                f"{_line_of(error, self._file)}{type(error).__name__}: {self._told(error, frame)}",
                "it is called with each batch of rows, and first with none; a column of text is a pandas string",
            ) from error
        if not isinstance(out, pd.DataFrame):
            raise self._mistake(f"it gives back {type(out).__name__}, not a DataFrame", "end it with `return frame`")
        self._require_names([str(name) for name in out.columns])
        return out

    def _told(self, error: Exception, frame: pd.DataFrame, *, made: bool = False) -> str:
        """Return what an error says, without contact data of `frame`: the rows that came in, or (`made`) a column that came out.

        Where a column of contacts is made by the function itself, any column that came in may be what it is made of.
        """
        said = str(error)[:_LONGEST]
        names = Names(map(str, frame.columns))
        found = [names.find(name) for name in self._contacts]
        columns = [name for name in found if name is not None]
        if None in found and not made:
            columns = list(names.columns)
        words = {word for pair in _WORDS.findall(said) for word in pair if word}
        held = (frame[name].astype(str) for name in columns if name in frame.columns)
        return masked(said, Known(value for column in held for value in column[column.isin(words)].unique()))

    def _require_names(self, names: list[str]) -> None:
        """Refuse columns that SQL would take for one, and names that places have."""
        seen: dict[str, str] = {}
        for name in names:
            if folded(name) in _RESERVED or name.startswith("!"):
                raise self._mistake(
                    f"{self._defined}it gives a column {name!r}, a name that is kept for this program",
                    "name it otherwise",
                )
            if folded(name) in seen:
                both = f"{seen[folded(name)]!r} and {name!r}" if seen[folded(name)] != name else f"{name!r} twice"
                raise self._mistake(
                    f"{self._defined}it gives columns that are one to SQL: {both}",
                    "give each column once; the case of letters tells none apart",
                )
            seen[folded(name)] = name

    @property
    def _defined(self) -> str:
        """`line 12: ` of the function, where Python knows it."""
        code = getattr(inspect.unwrap(self._function), "__code__", None)
        return f"line {code.co_firstlineno}: " if code is not None else ""

    def _mistake(self, what: str, hint: str) -> JobError:
        return JobError(f"transform {self._file.name}:{self._name}: {what}", hint=hint)


def transform_of(job: Job) -> tuple[Path, str]:
    """Return file and function of a job's `transform`; a relative path starts at the job's folder."""
    path, _, name = (job.transform or "").rpartition(":")
    return job.folder / path, name


def _load(file: Path, name: str) -> Frames:
    spec = importlib.util.spec_from_file_location(f"clickreplay_transform_{file.stem}", file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise JobError(f"transform: no Python file {file}", hint="a relative path starts at the folder of the job file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise JobError(f"transform {file.name}: {_line_of(error, file)}{type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise JobError(f"transform {file.name}: there is no function {name!r} in it")
    found: Frames = function
    return found


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _line_of(error: BaseException, file: Path) -> str:
    """Return `line 12: ` where an error arose in the user's file, of the innermost such frame."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file]
    return f"line {lines[-1]}: " if lines else ""
