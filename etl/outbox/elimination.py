"""Which events go out (RULES §3): exact duplicates, key and window duplicates, stale, over the limit a contact, sample, sent before.

All of it works on ids and places; bodies are joined last (RULES §11). Every step says of each event that falls out why, and an event falls
out once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from etl.job.models import Dedupe
from etl.outbox.reidentified import Reidentified, Senders, described, find
from etl.sql import fetch, literal

#: What earlier runs have sent (delivered or unknown), one row an event.
SENT = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("twin", pa.uint64(), nullable=False),
        pa.field("lane", pa.uint64(), nullable=False),
        pa.field("instant", pa.timestamp("us", tz="UTC")),
        pa.field("cart", pa.bool_(), nullable=False),
        pa.field("mapping", pa.string(), nullable=False),
    ]
)

_ORDER = "instant NULLS FIRST, ordinal, item NULLS FIRST, rule"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the job says of events that could fall out. `None` switches a step off."""

    types: tuple[str, ...]  # the type of each rule
    dedupe: tuple[Dedupe | None, ...]  # key or window, of each rule
    now: datetime
    mapping: str
    max_age: timedelta | None = None  # with `method: event` only
    stale: str = "stop"  # or drop, send; late: drop those that would go out
    max_per_contact: int | None = None
    zone: str = "UTC"
    sample: int | None = None
    drop_late_carts: bool = False
    changed: str = "stop"
    horizon: datetime | None = None  # what was sent before is not remembered
    older: str = "stop"


@dataclass(slots=True)
class Eliminated:
    """How many events fell out and why, and what a guard has to know."""

    duplicate: Counter[str] = field(default_factory=Counter)
    filtered: Counter[str] = field(default_factory=Counter)
    stale: int = 0  # events older than `max_age` that would go out
    oldest: datetime | None = None
    changed: int = 0  # events sent before under another mapping, with other content
    forgotten: int = 0  # events from before the horizon that would go out
    reidentified: Reidentified | None = None  # events sent before under another id and another mapping
    left_out: Reidentified | None = None  # such events that fell out as `changed`


def eliminate(
    staged: Path,
    sent: list[Path],
    policy: Policy,
    connection: duckdb.DuckDBPyConnection,
    relatives: Sequence[Path] = (),
    senders: Senders = tuple,
) -> Eliminated:
    """Leave in the table `alive` of `connection` the numbers (`n`) of the staged events that go out; say what fell out.

    `staged` is a Parquet file of STAGED rows, `sent` files of SENT rows. `relatives` are outboxes that belong together with this plan,
    of the same places: the run whose rejects it replays, and that run's other replays. `senders` gives the runs that may have sent events
    of the same rows under other ids.
    """
    return _Elimination(policy, connection).run(staged, sent, relatives, senders)


class _Elimination:
    def __init__(self, policy: Policy, connection: duckdb.DuckDBPyConnection) -> None:
        self.policy = policy
        self.sql = connection
        self.result = Eliminated()

    def run(self, staged: Path, sent: list[Path], relatives: Sequence[Path], senders: Senders) -> Eliminated:
        self.sql.execute(
            "CREATE OR REPLACE TABLE alive AS SELECT file_row_number AS n, rule, ordinal, item, instant, id, twin, lane, grp "
            f"FROM read_parquet({literal(str(staged))}, file_row_number = true)"
        )
        self._read_sent(sent)
        # The plan's ids that the ledger holds: asked once, before anything falls out.
        self.sql.execute(
            "CREATE OR REPLACE TABLE held AS SELECT DISTINCT a.id FROM alive a SEMI JOIN known s ON a.id = s.id"
        )
        self._read_relatives(staged, relatives)
        self._drop("SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY id ORDER BY ordinal, item NULLS FIRST, rule) AS r "
                   "FROM alive) WHERE r > 1", self.result.duplicate, "exact")  # fmt: skip
        self.sql.execute("CREATE OR REPLACE TABLE chains (n BIGINT, chain BIGINT, grp BLOB, id BLOB)")
        self._key_duplicates()
        self._window_duplicates()
        self._drop_stale()
        self._over_contact_limit()
        self._sample()
        self._sent_before()
        self._reidentified(staged, senders)
        self._superseded()
        self._older()
        self._count_stale()
        return self.result

    def _read_sent(self, sent: list[Path]) -> None:
        """Keep of the ledger what concerns this plan, by one look at it: it may be a hundred times as large."""
        listed = ", ".join(literal(str(path)) for path in sent)
        source = f"read_parquet([{listed}])" if sent else "empty_sent"
        self.sql.register("empty_sent", SENT.empty_table())
        lanes = "cart" if self.policy.max_per_contact is None else "true"
        self.sql.execute(
            f"CREATE OR REPLACE TABLE known AS SELECT * FROM {source} WHERE id IN (SELECT id FROM alive) "
            f"OR twin IN (SELECT twin FROM alive) OR ({lanes} AND lane IN (SELECT lane FROM alive))"
        )

    def _read_relatives(self, staged: Path, relatives: Sequence[Path]) -> None:
        """Keep the ids of events of other rows: that one of these was sent says nothing of a row that was refused."""
        if not relatives:
            self.sql.execute("CREATE OR REPLACE TABLE others (id BLOB)")
            return
        listed = ", ".join(literal(str(path)) for path in relatives)
        self.sql.execute(
            f"CREATE OR REPLACE TABLE others AS SELECT o.id FROM read_parquet([{listed}]) o "
            "SEMI JOIN known k ON o.id = k.id ANTI JOIN "
            f"(SELECT file, row, element, rule FROM read_parquet({literal(str(staged))})) p ON o.file = p.file AND o.row = p.row "
            "AND o.element IS NOT DISTINCT FROM p.element AND o.rule = p.rule"
        )

    def _drop(self, numbers: str, books: Counter[str], reason: str) -> int:
        """Take the events that `numbers` selects out of `alive` and count them."""
        self.sql.execute(f"CREATE OR REPLACE TEMP TABLE gone AS {numbers}")
        count = int(self.sql.execute("SELECT count(*) FROM gone").fetchall()[0][0])
        if count:
            books[reason] += count
            self.sql.execute("DELETE FROM alive WHERE n IN (SELECT n FROM gone)")
        return count

    def _rules(self, kind: str) -> dict[int, Dedupe]:
        return {i: d for i, d in enumerate(self.policy.dedupe) if d is not None and d.kind == kind}

    def _key_duplicates(self) -> None:
        for keep in ("first", "last"):
            rules = [str(i) for i, d in self._rules("key").items() if d.keep == keep]
            if rules:
                mine = f"rule IN ({', '.join(rules)})"
                self.sql.execute(f"INSERT INTO chains SELECT n, 0, grp, id FROM alive WHERE {mine}")
                order = _ORDER if keep == "first" else _reverse(_ORDER)
                self._drop(f"SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY grp ORDER BY {order}) AS r FROM alive "
                           f"WHERE {mine}) WHERE r > 1", self.result.duplicate, "key")  # fmt: skip

    def _window_duplicates(self) -> None:
        """Chains of events, each within the window of the one before; the first or the last of a chain is kept."""
        for window, keep in sorted({(d.window, d.keep) for d in self._rules("window").values() if d.window}):
            rules = [str(i) for i, d in self._rules("window").items() if (d.window, d.keep) == (window, keep)]
            gap = f"INTERVAL {int(window.total_seconds() * 1e6)} MICROSECOND"
            self.sql.execute(
                "CREATE OR REPLACE TEMP TABLE linked AS SELECT *, sum(starts) OVER (PARTITION BY grp ORDER BY "
                f"{_ORDER} ROWS UNBOUNDED PRECEDING) AS chain FROM (SELECT *, CASE WHEN instant - lag(instant) OVER "
                f"(PARTITION BY grp ORDER BY {_ORDER}) <= {gap} THEN 0 ELSE 1 END AS starts FROM alive WHERE rule IN ({', '.join(rules)}))"
            )
            self.sql.execute("INSERT INTO chains SELECT n, chain, grp, id FROM linked")
            order = _ORDER if keep == "first" else _reverse(_ORDER)
            self._drop("SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY grp, chain ORDER BY "
                       f"{order}) AS r FROM linked) WHERE r > 1", self.result.duplicate, "window")  # fmt: skip

    def _is_old(self) -> str | None:
        """SQL of whether an event is too old to be sent live; None where none is."""
        if self.policy.max_age is None or self.policy.stale == "send":
            return None
        return f"instant < TIMESTAMPTZ {literal((self.policy.now - self.policy.max_age).isoformat())}"

    def _drop_stale(self) -> None:
        old = self._is_old()
        if old is not None and self.policy.stale == "drop":
            self._drop(f"SELECT n FROM alive WHERE {old}", self.result.filtered, "stale")

    def _count_stale(self) -> None:
        """Count the old ones among those that would go out: a guard asks about them, or they fall out as late rows."""
        old = self._is_old()
        if old is not None and self.policy.stale == "late":
            self._drop(f"SELECT n FROM alive WHERE {old}", self.result.filtered, "stale")
        if old is not None and self.policy.stale == "stop":
            (row,) = fetch(self.sql, f"SELECT count(*) AS n, min(instant) AS oldest FROM alive WHERE {old}").to_pylist()
            self.result.stale, self.result.oldest = row["n"], row["oldest"]

    def _older(self) -> None:
        """Events from before what the ledger remembers: nobody knows whether they were sent (RULES §10)."""
        if self.policy.horizon is None or self.policy.older == "send":
            return
        old = f"instant < TIMESTAMPTZ {literal(self.policy.horizon.isoformat())}"
        if self.policy.older == "drop":
            self._drop(f"SELECT n FROM alive WHERE {old}", self.result.filtered, "horizon")
        else:
            self.result.forgotten = int(self.sql.execute(f"SELECT count(*) FROM alive WHERE {old}").fetchall()[0][0])

    def _over_contact_limit(self) -> None:
        """Of a contact's day the last events stay, as many as earlier runs have left room for."""
        if self.policy.max_per_contact is None:
            return
        day = f"CAST(timezone({literal(self.policy.zone)}, instant) AS DATE)"
        self.sql.execute(
            f"CREATE OR REPLACE TEMP TABLE spent AS SELECT lane, {day} AS day, count(DISTINCT id) AS events "
            "FROM known GROUP BY ALL"
        )
        self._drop(
            f"SELECT n FROM (SELECT n, lane, {day} AS day, row_number() OVER (PARTITION BY lane, {day} ORDER BY {_reverse(_ORDER)}) AS r "
            "FROM alive ANTI JOIN held USING (id)) a LEFT JOIN spent s ON a.lane = s.lane AND a.day IS NOT DISTINCT FROM s.day "
            f"WHERE r > {self.policy.max_per_contact} - coalesce(s.events, 0)",
            self.result.filtered,
            "max_per_contact",
        )

    def _sample(self) -> None:
        if self.policy.sample is not None:
            # The smallest ids: the same events each time, from all over the input.
            self._drop(f"SELECT n FROM alive ORDER BY id OFFSET {self.policy.sample}", self.result.filtered, "sample")

    def _sent_before(self) -> None:
        """What the ledger knows: by id, by a group's member, by a twin with other content (RULES §2, 3)."""
        by_group = (
            "SELECT c.n FROM chains c SEMI JOIN (SELECT grp, chain FROM chains SEMI JOIN held USING (id)) g "
            "ON c.grp = g.grp AND c.chain = g.chain"
        )
        self._drop(
            f"SELECT n FROM alive WHERE id IN (SELECT id FROM held) OR n IN ({by_group})",
            self.result.duplicate,
            "sent_before",
        )
        self._changed()

    def _reidentified(self, staged: Path, senders: Senders) -> None:
        """Events of rows that went out already: under this mapping they fall out, under another one a guard asks."""
        if self.policy.changed == "send":
            return
        types = self.policy.types
        find(staged, types, senders, self.sql)
        which = "true" if self.policy.changed == "drop" else "same"
        self.result.left_out = described(staged, types, which, self.sql)
        self._drop(f"SELECT n FROM again WHERE {which}", self.result.duplicate, "changed")
        if self.policy.changed == "stop":
            self.result.reidentified = described(staged, types, "NOT same", self.sql)

    def _superseded(self) -> None:
        """Carts older than the last one sent to their keyValue."""
        if self.policy.drop_late_carts:
            carts = [str(i) for i, kind in enumerate(self.policy.types) if kind == "cartUpdated"]
            if carts:
                newest = "(SELECT lane, max(instant) AS newest FROM known WHERE cart GROUP BY lane)"
                late = f"rule IN ({', '.join(carts)}) AND instant < newest"
                self._drop(
                    f"SELECT n FROM alive JOIN {newest} USING (lane) WHERE {late}", self.result.duplicate, "superseded"
                )

    def _changed(self) -> None:
        """Events that the ledger does not know, while it knows their type, keyValue and moment under an id that is not in this plan.

        A replay and the run that it is of are one plan in this: two events of a moment are two events, in whichever they stand.
        """
        if self.policy.changed == "send":
            return
        self.sql.execute(
            "CREATE OR REPLACE TEMP TABLE twins AS SELECT a.n, bool_or(s.mapping = "
            f"{literal(self.policy.mapping)}) AS same FROM alive a "
            "JOIN (SELECT * FROM known ANTI JOIN held USING (id) ANTI JOIN others USING (id)) s ON a.twin = s.twin GROUP BY a.n"
        )
        which = "" if self.policy.changed == "drop" else "WHERE same"
        self._drop(f"SELECT n FROM twins {which}", self.result.duplicate, "changed")
        if self.policy.changed == "stop":
            self.result.changed = int(self.sql.execute("SELECT count(*) FROM twins WHERE NOT same").fetchall()[0][0])


def _reverse(order: str) -> str:
    """Return the opposite of an order."""
    turned = [
        part.removesuffix(" NULLS FIRST") + " DESC" + (" NULLS LAST" if "NULLS FIRST" in part else "")
        for part in order.split(", ")
    ]
    return ", ".join(turned)
