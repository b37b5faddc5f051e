"""The source room: exports in, Arrow batches out, each row with the place it came from. Text stays text."""

from etl.source.chunk import Unread
from etl.source.inputs import Input, find_inputs
from etl.source.reader import Batch, Source, open_source
from etl.source.settings import SourceSettings

__all__ = ["Batch", "Input", "Source", "SourceSettings", "Unread", "find_inputs", "open_source"]
