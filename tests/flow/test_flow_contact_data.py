"""Rows that are shown hide what the job's contacts are read from, and nothing else."""

import json
from pathlib import Path

import pytest

from etl.flow.contact_data import ContactData, contact_paths
from etl.job.models import Job
from etl.job.read import read_job

JOB = """\
job: small
source: {path: "*.csv"}
let:
  who: lower(trim("Customer ID"))
lookups:
  crm: {path: crm.csv, key: visitor, on: visitor_id}
contact:
  externalCustomerId: who
  email: crm.email
  phone: profile.phones
events:
  - {type: pageViewed, page: {location: url}}
  - {type: pageViewed, page: {location: url}, key_value: member}
delivery: {api: sandbox}
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "job.yaml").write_text(JOB, "utf-8")
    return read_job(tmp_path / "job.yaml", ())


def test_contacts_come_from_columns_through_names_and_lookups(job: Job) -> None:
    assert contact_paths(job) == {("Customer ID",), ("visitor_id",), ("profile", "phones"), ("member",)}


def test_the_columns_of_contacts_are_hidden_and_their_values_elsewhere_too(job: Job) -> None:
    row = {
        "Customer ID": "0042-77",
        "visitor_id": 990017,
        "member": "m",
        "profile": {"phones": ["not a phone", "48501112233"], "city": "Lviv"},
        "url": "/p/000242?uid=0042-77&at=2026-11-20T10:00:00Z",
        "price": "12,50",
        "sku": "4820000000017",
        "mail2": "ann@shop",
    }
    assert json.loads(ContactData(job).hidden(json.dumps(row))) == {
        "Customer ID": "***77",
        "visitor_id": "***17",
        "member": "***",
        "profile": {"phones": ["***ne", "***33"], "city": "Lviv"},
        "url": "/p/000242?uid=***77&at=2026-11-20T10:00:00Z",
        "price": "12,50",
        "sku": "4820000000017",
        "mail2": "a***@***",
    }


def test_a_body_hides_its_key_and_locators(job: Job) -> None:
    body = {
        "eventTypeKey": "x",
        "keyValue": "c-1177",
        "params": [{"name": "externalCustomerId", "value": "c-1177"}, {"name": "sku", "value": "000242"}],
    }
    hidden = json.loads(ContactData(job).hidden(json.dumps(body)))
    assert hidden == body | {
        "keyValue": "***77",
        "params": [{"name": "externalCustomerId", "value": "***77"}, {"name": "sku", "value": "000242"}],
    }


def test_a_text_that_could_not_be_read_hides_what_may_be_a_contact(job: Job) -> None:
    of_json = ContactData(job).hidden('{"Customer ID": "0042-77", "member":"m-1", "visitor_id": 990017, "sku": "0002')
    assert "42" not in of_json
    assert "m-1" not in of_json
    assert "990017" not in of_json
    assert of_json.endswith('"sku": "0002')
    of_csv = ContactData(job, ["sku", "Customer ID", "price"])
    assert of_csv.hidden("000242,u-4711,5,50") == "000242,***11,***,50"
    assert of_csv.hidden("000242;u-4711") == "***42;***11"
    assert of_csv.hidden('{"message_id": "cut", "ts": 17636') == '{"message_id": "cut", "ts": 17636'
