"""searchRequest: a query sent from the search line (API text, table of searchRequest)."""

from __future__ import annotations

from schemas.columns import Integer, Text, optional_flag, required_text
from schemas.match import Match


class SearchRequest(Match):
    """`search` is required; `isFound` is 0 (no results, the API's default) or 1."""

    search: Text = required_text("search")
    is_found: Integer = optional_flag("isFound")
