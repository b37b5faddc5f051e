"""The books of a plan: every row and every match, where it ended (DESIGN, promise 1)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace


@dataclass(frozen=True, slots=True)
class SentOtherwise:
    """Events that earlier runs have sent under other ids: how many, the runs, and a few of them in words, contact data masked."""

    count: int = 0
    runs: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Books:
    """Counts of one plan. `rows + extra = filtered + invalid + duplicate + folded + events`.

    `extra` are second and later matches of a row, `folded` second and later lines of an event, `invalid` matches and unreadable rows;
    `invalid_reasons` may overlap. `stale`, `changed` and `forgotten` (from before the ledger's horizon) are events that a guard
    must ask about; times are ISO 8601 in UTC.
    """

    rows: int = 0
    extra: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    unread: int = 0  # of these, rows that could not be read
    invalid_reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(
        default_factory=dict
    )  # the first place (file:row) of each reason for being invalid
    duplicate: Counter[str] = field(default_factory=Counter)
    folded: int = 0
    events: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    keys: int = 0
    first: str | None = None
    last: str | None = None
    stale: int = 0
    oldest: str | None = None
    changed: int = 0
    forgotten: int = 0
    reidentified: SentOtherwise = SentOtherwise()  # a guard asks about these
    left_out: SentOtherwise = SentOtherwise()  # these are among the duplicates `changed`
    lookups: dict[str, dict[str, int]] = field(default_factory=dict)  # of each: `rows` that asked, `found` a partner
    reached: int = 0  # rows that no filter took out
    taken: Counter[str] = field(default_factory=Counter)  # by the number of a rule: of these, the rows that it took
    short_carts: Counter[str] = field(
        default_factory=Counter
    )  # by filter: carts kept back, as it took some of their lines
    times_twice: int = 0  # local times that occur twice
    times_later: int = 0  # of these, those that the order of their file puts after the change of the clock
    times_skipped: int = 0  # local times that do not occur
    carts_twice: int = 0  # rows of carts at a local time that occurs twice
    carts_twice_at: list[str] = field(default_factory=list)  # the first of their places
    doubts: list[str] = field(default_factory=list)  # what of the input may be read otherwise than it was meant

    @property
    def balance(self) -> int:
        """Rows and extra less everything that they became: 0, or something was lost or counted twice."""
        ends = self.filtered.total() + self.invalid + self.duplicate.total() + self.folded + self.events
        return self.rows + self.extra - ends

    def without_unread(self) -> Books:
        """Return these books without the rows that could not be read: they are nobody's, and a trial looks at a few keyValues."""
        return replace(self, rows=self.rows - self.unread, invalid=self.invalid - self.unread, unread=0)

    @property
    def judged(self) -> int:
        """Rows and extra less what was filtered: what `invalid` is a share of (RULES §3, `max_invalid`)."""
        return self.rows + self.extra - self.filtered.total()

    @property
    def invalid_share(self) -> float:
        """Invalid ÷ (rows + extra − filtered)."""
        return self.invalid / self.judged if self.judged else 0.0

    def to_json(self) -> str:
        """Return the books as JSON text."""
        return json.dumps({f.name: getattr(self, f.name) for f in fields(self)}, default=asdict)

    @classmethod
    def from_json(cls, text: str) -> Books:
        """Read back what `to_json` gave."""
        raw = json.loads(text)
        for name in ("filtered", "invalid_reasons", "duplicate", "by_type", "taken", "short_carts"):
            raw[name] = Counter(raw.get(name, {}))
        for name in ("reidentified", "left_out"):
            found = raw.get(name, {"count": 0, "runs": [], "examples": []})
            raw[name] = SentOtherwise(found["count"], tuple(found["runs"]), tuple(found["examples"]))
        return cls(**raw)
