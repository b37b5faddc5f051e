"""Validation: which matches and events keep the API's rules, and what is wrong with the others."""

from __future__ import annotations

from etl.validation.split import reasons_of, split
from etl.validation.validate import validate_events, validate_lines
from etl.validation.verdict import DisagreementError, Mask, Verdict

__all__ = ["DisagreementError", "Mask", "Verdict", "reasons_of", "split", "validate_events", "validate_lines"]
