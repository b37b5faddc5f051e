"""The machine's limit: one DuckDB script, written by hand for this one export, that gives the very bodies of `benchmarks.planning.job`.

`python -m benchmarks.planning.script INPUT OUTPUT`. It knows what the export holds (that identifiers and addresses are good, that flags are
true or false, that only prices and hits are ever bad), keeps no quarantine, no books and no identities, and answers to nobody.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

_EVENTS = """
COPY (
    WITH read AS (
        SELECT *, rowid AS n,
            strptime(event_time, '%Y-%m-%d %H:%M:%S') AT TIME ZONE 'Europe/Kyiv' AS instant,
            try_cast(price AS DOUBLE) AS cost,
            try_cast(hits AS INTEGER) AS found,
        FROM export
    ), priced AS (
        SELECT *, CASE WHEN cost = trunc(cost) THEN CAST(CAST(cost AS BIGINT) AS VARCHAR) ELSE CAST(cost AS VARCHAR) END AS amount
        FROM read
    ), lines AS (
        SELECT cart_id, instant, customer_id, any_value(email) AS email, any_value(phone) AS phone, min(n) AS n,
            '{"productId":' || to_json(sku) || ',"quantity":' || qty || ',"price":' || amount || '}' AS line,
        FROM priced WHERE event = 'cart'
        GROUP BY cart_id, instant, customer_id, line
    ), carts AS (
        SELECT cart_id, instant, customer_id, any_value(email) AS email, any_value(phone) AS phone, max(n) AS n,
            string_agg(line, ',' ORDER BY n) AS listed,
        FROM lines GROUP BY cart_id, instant, customer_id
        HAVING count(line) = count(*)
    ), events AS (
        SELECT n, instant, customer_id, email, phone,
            CASE event
                WHEN 'page' THEN 'pageViewed'
                WHEN 'view_item' THEN 'productViewed'
                WHEN 'category' THEN 'productCategoryViewed'
                WHEN 'search' THEN 'searchRequest'
            END AS type,
            CASE event
                WHEN 'page' THEN '{"name":"page","value":' || to_json('{"location":' || to_json(url) || '}') || '}'
                WHEN 'view_item' THEN '{"name":"product","value":' || to_json(
                    '{"productId":' || to_json(sku) || ',"price":' || amount
                    || ',"isInStock":' || CASE in_stock WHEN 'true' THEN 1 ELSE 0 END
                    || CASE WHEN colour <> '' THEN ',"colour":[' || to_json(colour) || ']' ELSE '' END || '}'
                ) || '}' || CASE WHEN currency <> '' THEN ',{"name":"currencyCode","value":' || to_json(currency) || '}' ELSE '' END
                WHEN 'category' THEN '{"name":"category","value":'
                    || to_json('{"productCategoryId":' || to_json(category) || '}') || '}'
                WHEN 'search' THEN '{"name":"search","value":' || to_json(query)
                    || '},{"name":"isFound","value":' || CAST(found > 0 AS INTEGER) || '}'
            END AS own,
        FROM priced WHERE event <> 'cart'
        UNION ALL
        SELECT n, instant, customer_id, email, phone, 'cartUpdated',
            '{"name":"products","value":' || to_json('[' || listed || ']')
            || '},{"name":"recycleStateId","value":' || to_json(cart_id) || '}',
        FROM carts
    ), once AS (
        SELECT type, customer_id, instant, own, any_value(email) AS email, any_value(phone) AS phone, min(n) AS n
        FROM events WHERE own IS NOT NULL
        GROUP BY type, customer_id, instant, own
    )
    SELECT type, customer_id AS key, instant,
        '{"eventTypeKey":"' || type || '","keyValue":' || to_json(customer_id)
        || ',"params":[{"name":"externalCustomerId","value":' || to_json(customer_id)
        || '},{"name":"phone","value":' || to_json(ltrim(phone, '+'))
        || '},{"name":"email","value":' || to_json(lower(trim(email))) || '},' || own || ']}' AS body,
    FROM once ORDER BY instant, n
) TO 'OUTPUT' (FORMAT parquet, COMPRESSION zstd)
"""


def main() -> None:
    """Read INPUT (CSV or Parquet), write OUTPUT (Parquet)."""
    source, output = map(Path, sys.argv[1:])
    limits = {"threads": 2, "memory_limit": "1300MB", "temp_directory": str(output.parent / "spill")}
    with duckdb.connect(config=limits) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        columns = "read_parquet('{}')" if source.suffix == ".parquet" else "read_csv('{}', all_varchar = true)"
        connection.execute(f"CREATE TEMP TABLE export AS FROM {columns.format(source)}")
        connection.execute(_EVENTS.replace("OUTPUT", str(output)))


if __name__ == "__main__":
    main()
