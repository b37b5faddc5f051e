"""pageViewed: a contact views any page or opens a mobile deep link (API text, table of pageViewed)."""

from __future__ import annotations

from schemas.columns import Text, required_text
from schemas.match import Match


class PageViewed(Match):
    """`page` is required, with `location`: page URL or deep link."""

    location: Text = required_text("page.location")
