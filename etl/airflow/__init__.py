"""A task of Airflow that runs a job: :class:`etl.airflow.operator.ClickreplayOperator`.

It starts `clickreplay run` as a process of its own, so neither the parsing of a DAG nor the scheduler's interpreter loads what the
rooms need; `operator.py` alone imports Airflow.
"""
