"""Opens a job's access logs, whatever their format."""

from __future__ import annotations

from collections.abc import Sequence

from etl.source.access_log.detect import Detected, W3c
from etl.source.access_log.json_file import JsonLogFile
from etl.source.access_log.json_keys import JsonKeys
from etl.source.access_log.json_text import json_reading
from etl.source.access_log.line_file import LineFile
from etl.source.access_log.w3c_file import W3cFile
from etl.source.chunk import FileReader, Limits
from etl.source.inputs import Input
from etl.source.ndjson_file import open_ndjson
from etl.source.settings import SourceSettings


def open_access_log(
    inputs: Sequence[Input], settings: SourceSettings, found: Detected, limits: Limits
) -> Sequence[FileReader]:
    """Return a reader for each input, all of the format that was found. Raises InputError.

    JSON logs are read through once, W3C logs are searched for their directives; of others nothing is read.
    """
    form = found.form
    if isinstance(form, JsonKeys):
        files = open_ndjson(inputs, settings, limits, json_reading(prefixed=found.prefixed))
        return [JsonLogFile(file, form) for file in files]
    if isinstance(form, W3c):
        return [W3cFile(item, number, settings, form.layout, limits) for number, item in enumerate(inputs)]
    return [LineFile(item, number, settings, form, limits) for number, item in enumerate(inputs)]
