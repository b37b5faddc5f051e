"""What the API says of a body: v2/event and v2/past_events, rule by rule (api-facts.md §1, §4)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.sandbox.answers import RefusalError
from etl.sandbox.contract import BATCH_EVENTS, EVENT_BYTES, Event, canonical, read_batch, read_event
from etl.sandbox.occurred import Status
from etl.sandbox.settings import Settings

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FORBIDDEN = "<;’\\/|\"`'^?!,>"


def raw(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def event(**changes: Any) -> dict[str, Any]:
    return {"eventTypeKey": "t", "keyValue": "k", "params": []} | changes


def refused(body: Any, **settings: Any) -> tuple[int, str]:
    with pytest.raises(RefusalError) as caught:
        read_event(body if isinstance(body, bytes) else raw(body), Settings(**settings))
    return caught.value.status, caught.value.text


def test_a_valid_event_is_kept_exactly_as_it_arrived() -> None:
    text = '{ "keyValue":"k",  "eventTypeKey" : "t", "params":[{"name":"n","value":"кошик \\u0456"}] }'
    assert read_event(text.encode(), Settings()) == Event("t", "k", None, text)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"eventTypeKey":"t","keyValue":"k","params":NaN}', b"[" * 100_000],
    ids=["empty", "cut", "list", "text", "not UTF-8", "NaN", "deep"],
)
def test_what_is_not_a_json_object_is_400(body: bytes) -> None:
    # The deep one is over the limit of size too, which must not be what refuses it.
    with pytest.raises(RefusalError) as caught:
        read_event(body[:EVENT_BYTES], Settings())
    assert caught.value.status == 400


@pytest.mark.parametrize("type_", [None, "", "  ", 7, "t" * 101])
def test_event_type_key_is_required_text_of_100_characters_at_most(type_: Any) -> None:
    assert refused(event(eventTypeKey=type_))[0] == 400
    assert read_event(raw(event(eventTypeKey="т" * 100)), Settings()).type == "т" * 100


@pytest.mark.parametrize("field", ["eventTypeKey", "keyValue"])
@pytest.mark.parametrize("char", FORBIDDEN)
def test_forbidden_characters_are_400(field: str, char: str) -> None:
    status, text = refused(event(**{field: f"a{char}b"}))
    assert (status, text) == (400, f"{field} contains the forbidden character {char}")


@given(
    st.text(alphabet=st.characters(exclude_characters=FORBIDDEN, exclude_categories=["Cs"]), min_size=1, max_size=300)
)
def test_every_other_text_of_300_characters_at_most_is_a_key_value(key: str) -> None:
    if key.strip():
        assert read_event(raw(event(keyValue=key)), Settings()).key == key


@pytest.mark.parametrize("key", ["k" * 301, " ", 12, ["k"], "\ud800"])
def test_a_key_value_that_is_too_long_blank_not_text_or_not_unicode_is_400(key: Any) -> None:
    assert refused(json.dumps(event(keyValue=key)).encode())[0] == 400


def test_without_key_value_the_first_locator_in_the_apis_order_is_the_key() -> None:
    names = ["pushToken", "phone", "email", "externalCustomerId", "contactId"]
    params = [{"name": name, "value": f"{name}-1"} for name in names]
    while params:
        assert read_event(raw({"eventTypeKey": "t", "params": params}), Settings()).key == params[-1]["value"]
        params.pop()


@pytest.mark.parametrize("name", ["EMAIL", "emailAddress", "sms", "phoneNumber", "CONTACTID"])
def test_locators_are_known_without_case_and_by_their_aliases(name: str) -> None:
    assert read_event(raw({"eventTypeKey": "t", "params": [{"name": name, "value": "v"}]}), Settings()).key == "v"


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        [{"name": "colour", "value": "red"}],
        [{"name": "externalCustomerId", "value": "null"}],
        [{"name": "externalCustomerId", "value": "  "}],
    ],
)
def test_neither_key_value_nor_locator_is_400(params: Any) -> None:
    status, text = refused({"eventTypeKey": "t", "params": params})
    assert status == 400
    assert "keyValue" in text


def test_locators_keep_the_rules_of_key_value_even_beside_one() -> None:
    assert refused(event(params=[{"name": "email", "value": "o'neill@example.com"}]))[0] == 400
    assert refused(event(params=[{"name": "pushToken", "value": "p" * 301}]))[0] == 400


@pytest.mark.parametrize(
    "params",
    [
        {"a": 1},
        ["a"],
        [{"value": "v"}],
        [{"name": "", "value": "v"}],
        [{"name": 5, "value": "v"}],
        [{"name": "n"}],
        [{"name": "n", "value": None}],
        [{"name": "n", "value": ""}],
        [{"name": "n" * 101, "value": "v"}],
        [{"name": "n", "value": "1"}, {"name": "n", "value": "2"}],
    ],
    ids=["object", "text", "no name", "empty name", "number", "no value", "null", "empty", "long", "twice"],
)
def test_a_param_has_a_unique_name_of_100_characters_at_most_and_a_value(params: Any) -> None:
    assert refused(event(params=params))[0] == 400


@pytest.mark.parametrize("value", ["text", 0, 1.5, False, [1, {"a": []}], {"a": None}])
def test_a_value_may_be_any_json_but_null(value: Any) -> None:
    assert read_event(raw(event(params=[{"name": "n" * 100, "value": value}])), Settings()).key == "k"


@pytest.mark.parametrize("status", [413, 400])
def test_an_event_over_20_kb_is_413_or_400_as_switched(status: int) -> None:
    room = EVENT_BYTES - len(raw(event(params=[{"name": "n", "value": "x"}]))) + 1
    fits = raw(event(params=[{"name": "n", "value": "x" * room}]))
    assert len(fits) == EVENT_BYTES
    assert read_event(fits, Settings()).type == "t"
    assert refused(fits + b" ", too_large=status)[0] == status


def test_refusals_never_quote_a_value() -> None:
    secret = "secret@example.com"
    for body in (
        event(keyValue=secret + "'"),
        event(params=[{"name": "email", "value": secret + "!"}]),
        event(eventTypeKey="pageViewed", params=[{"name": "page", "value": secret}]),
    ):
        assert secret not in refused(body, check_types=True)[1]


def batch(*events: Any, **settings: Any) -> list[Status]:
    return list(read_batch(raw({"events": list(events)}), Settings(**settings), NOW).statuses)


def test_past_events_answers_each_event_in_request_order() -> None:
    read = read_batch(
        raw(
            {
                "events": [
                    event(occurred="2026-11-23"),
                    event(),
                    event(occurred="23.11.2026", keyValue="b"),
                    event(occurred="2026-11-23T10:05", keyValue="c"),
                ]
            }
        ),
        Settings(),
        NOW,
    )
    assert read.statuses == (Status.ACCEPTED, Status.REQUIRED, Status.FORMAT, Status.ACCEPTED)
    assert [(each.key, each.occurred) for each in read.accepted()] == [("k", "2026-11-23"), ("c", "2026-11-23T10:05")]
    assert json.loads(read.answer().body) == {
        "results": [
            {"status": "ACCEPTED"},
            {"status": "OCCURRED_DATE_IS_REQUIRED"},
            {"status": "INCORRECT_OCCURRED_DATE_FORMAT"},
            {"status": "ACCEPTED"},
        ],
        "successCount": 2,
        "errorCount": 2,
    }


def test_an_element_of_a_batch_is_recorded_in_canonical_json() -> None:
    element = {"params": [], "occurred": "2026-11-23", "keyValue": "ключ", "eventTypeKey": "t"}
    (only,) = read_batch(raw({"events": [element]}), Settings(), NOW).events
    assert (
        only.body == '{"eventTypeKey":"t","keyValue":"ключ","occurred":"2026-11-23","params":[]}' == canonical(element)
    )


@pytest.mark.parametrize(
    "body", [{}, [], {"events": {}}, {"events": []}, {"events": [event(occurred="2026-11-23")] * 501}]
)
def test_a_batch_holds_1_to_500_events(body: Any) -> None:
    with pytest.raises(RefusalError) as caught:
        read_batch(raw(body), Settings(), NOW)
    assert caught.value.status == 400
    assert batch(*[event(occurred="2026-11-23")] * BATCH_EVENTS) == [Status.ACCEPTED] * 500


def test_one_malformed_event_refuses_the_whole_batch_and_is_named() -> None:
    with pytest.raises(RefusalError) as caught:
        batch(event(occurred="2026-11-23"), {"eventTypeKey": "t"})
    assert caught.value.status == 400
    assert caught.value.text.startswith("events[1]: ")


def test_a_batch_with_an_event_over_20_kb_is_413() -> None:
    with pytest.raises(RefusalError) as caught:
        batch(event(occurred="2026-11-23", params=[{"name": "n", "value": "x" * EVENT_BYTES}]))
    assert caught.value.status == 413


def test_an_event_that_is_not_unicode_refuses_the_batch() -> None:
    body = json.dumps({"events": [event(params=[{"name": "n", "value": "\ud800"}])]}).encode()
    with pytest.raises(RefusalError, match="Unicode"):
        read_batch(body, Settings(), NOW)


def test_segmentation_can_be_off_for_a_type_or_for_all() -> None:
    one, other = event(occurred="2026-11-23"), event(occurred="2026-11-23", eventTypeKey="u")
    late = event(occurred="2036-11-23", eventTypeKey="u")
    assert batch(one, other, segmentation_off=("u",)) == [Status.ACCEPTED, Status.NO_SEGMENTATION]
    assert batch(one, other, late, segmentation_off=("*",)) == [Status.NO_SEGMENTATION] * 2 + [Status.FUTURE]


def test_age_is_checked_unless_switched_off() -> None:
    old = event(occurred="2024-11-01")
    assert batch(old) == [Status.TOO_DEEP]
    assert batch(old, depth_days=None) == [Status.ACCEPTED]
