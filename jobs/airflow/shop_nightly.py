"""The last three days of the shop, each night at two; docs/airflow.md says what it needs."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG

from etl.airflow.operator import ClickreplayOperator

with DAG(
    "shop_nightly",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # a second run of the job would only wait for the first
    default_args={
        "depends_on_past": True,  # no day goes out before the one before it is done
        "retries": 12,
        "retry_delay": timedelta(minutes=15),
    },
):
    ClickreplayOperator(
        task_id="replay",
        job="{{ var.value.get('shop_job', '/srv/clickreplay/jobs/shop.yaml') }}",
        state="{{ var.value.get('shop_state', '/var/lib/clickreplay/shop-nightly') }}",
        date="{{ (dag_run.conf or {}).get('date', '') }}",  # left out: the days of the run
        last=3,  # late data of the days before, and what they left
        conn_id="esputnik",
    )
