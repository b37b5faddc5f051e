"""Do files hold the same bodies, whatever their order? `python -m benchmarks.planning.same FILE FILE...` (Parquet, or a body a line).

Prints a line for each: how many bodies, and the sum of their 64-bit hashes. Ends with 1 where they differ.
"""

from __future__ import annotations

import sys

import duckdb

_LINES = "read_csv('{}', columns = {{'body': 'VARCHAR'}}, header = false, delim = '\x01', quote = '', escape = '', auto_detect = false)"


def main() -> None:
    """Compare the files given."""
    found = []
    for name in sys.argv[1:]:
        table = f"read_parquet('{name}')" if name.endswith(".parquet") else _LINES.format(name)
        row = duckdb.sql(f"SELECT count(body), sum(CAST(hash(body) AS HUGEINT)) FROM {table}").fetchall()[0]
        print(f"{row[0]:,} bodies, hash {row[1]}")
        found.append(row)
    sys.exit(0 if found and len(set(found)) == 1 and found[0][0] else 1)


if __name__ == "__main__":
    main()
