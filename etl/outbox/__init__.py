"""The outbox room: identity, folding, global dedupe, grouping and ordering; out come the exact event bodies, as Parquet."""
