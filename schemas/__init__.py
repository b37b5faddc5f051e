"""The API's rules: one pandera model an event type, a file each, and what the other rooms may know of them.

Importing this package loads neither pandas nor pandera: a model is loaded when its type is first looked up.
"""

from __future__ import annotations

from schemas.registry import TYPES, EventType, Field, Kind, event_type

__all__ = ["TYPES", "EventType", "Field", "Kind", "event_type"]
