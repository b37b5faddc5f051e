"""The job of `benchmarks.lines`: page views, product views and searches of known visitors, without bots, static files and failures."""

from __future__ import annotations

from pathlib import Path

PRODUCTS = 20_000

JOB = """\
job: bench-log
source: {path: "PATH", format: access_log, log_format: auto}
let:
  sku: path_param(path, '/product/{sku}')
lookups:
  prices: {path: "PRICES", key: sku, on: sku}
filters: {methods: [GET], status: [200, 304], static: true, bots: true, anonymous: true}
time: time
contact: {externalCustomerId: user}
events:
  - type: pageViewed
    where: path is not null
    page:
      location: "url_clean('https://shop.example' || target, ['utm_source'])"
  - type: productViewed
    where: sku is not null
    product: {productId: sku, price: prices.price}
  - type: searchRequest
    where: path = '/search'
    search: query_param(query, 'q')
    isFound: "1"
delivery: {api: sandbox, stale: send, rate: 1000000/s, concurrency: 16}
"""


def write_log_job(folder: Path, log: Path, prices: Path) -> Path:
    """Write the job of a log into a folder; return its place."""
    path = folder / "job.yaml"
    path.write_text(JOB.replace("PATH", str(log)).replace("PRICES", str(prices)), "utf-8")
    return path


def write_prices(path: Path, products: int) -> None:
    """Write the products' prices, which the log lacks."""
    rows = (f"{sku:06},{sku % 900 + 1}.50" for sku in range(products))
    path.write_text("\n".join(["sku,price", *rows, ""]), "utf-8")
