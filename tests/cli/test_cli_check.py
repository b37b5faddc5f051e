"""`check` says what `plan` would stop at: a wrong path, JSON whose columns are not those of the job, a format of times that is none."""

import pytest
from called import JOB, Shop, pages


def test_a_path_where_nothing_is_is_4_as_in_plan(shop: Shop) -> None:
    checked, planned = shop.call("check"), shop.call("plan")
    assert (checked.exit, checked.json["exit"], planned.exit) == (4, 4, 4)
    assert "no input: nothing found at" in checked.json["stopped"]["reason"]
    assert "no input: nothing found at" in shop.call("check", as_json=False).err
    shop.write(pages(3))
    assert (shop.call("check").exit, shop.call("plan").exit) == (0, 0)


def test_ndjson_is_read_for_its_columns(shop: Shop) -> None:
    shop.job = JOB.replace("*.csv", "*.ndjson")
    (shop.folder / "a.ndjson").write_text('{"user": "u", "url": "/", "time": "2026-11-20T10:00:00Z"}\n')
    assert "3 columns" in shop.call("check", as_json=False).out
    shop.job = shop.job.replace("location: url", "location: ulr")
    checked = shop.call("check")
    assert (checked.exit, shop.call("plan").exit) == (2, 2)
    assert "did you mean `url`" in checked.json["mistakes"][0]["message"]


@pytest.mark.parametrize("text", ["yyyy-MM-dd", "ISO"])
def test_a_format_of_times_without_a_directive_is_a_mistake(text: str, shop: Shop) -> None:
    shop.write(pages(3))
    shop.job = JOB.replace("{column: time}", f"{{column: time, format: {text}}}")
    checked = shop.call("check")
    assert (checked.exit, shop.call("plan").exit) == (2, 2)
    assert "it has no %" in checked.json["mistakes"][0]["message"]


def test_what_a_rule_gives_reason_to_doubt_is_a_note_of_check_and_plan(shop: Shop) -> None:
    shop.write(pages(3))
    shop.job = JOB.replace("events:\n", "events:\n  - {type: searchRequest, where: url = '/1', search: url}\n")
    for command in ("check", "plan"):
        assert any("has no `isFound`" in note for note in shop.call(command).json["notes"])
    assert "has no `isFound`" in shop.call("check", as_json=False).out
