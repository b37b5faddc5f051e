"""Web-server access logs as a source of rows: which format it is, and every format in one vocabulary of columns."""

from etl.source.access_log.detect import Detected, detect_log, looks_like_log, require_fit
from etl.source.access_log.open import open_access_log
from etl.source.access_log.vocabulary import VOCABULARY

__all__ = ["VOCABULARY", "Detected", "detect_log", "looks_like_log", "open_access_log", "require_fit"]
