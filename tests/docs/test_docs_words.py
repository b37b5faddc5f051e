"""The words of README.md and docs/ are true: keys, defaults, options, exit codes, reasons, examples, links."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click
import pytest
from expression_tables import EXPRESSIONS, complaint_of, given, table_rows
from job_keys import SECTIONS, documented, keys, rows
from shown_blocks import DOCUMENTS, ROOT

from etl.cli import cli
from etl.errors import Exit
from etl.flow.summary import FILTERED
from etl.job.document import read_document
from etl.job.filters import READY, RESERVED
from etl.job.read import read_text
from etl.report.books import Books
from etl.report.days import Cost, DaysSummary
from etl.report.summary import Summary
from schemas.faults import Fault, Whole, explain

README = (ROOT / "README.md").read_text("utf-8")
BOOKS = (ROOT / "docs" / "books.md").read_text("utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text("utf-8")

RECIPES = list(table_rows("recipes", EXPRESSIONS.read_text("utf-8")))
MISTAKES = list(table_rows("mistakes", EXPRESSIONS.read_text("utf-8")))


def _commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    return {name: command for name in cli.list_commands(context) if (command := cli.get_command(context, name))}


def _section(text: str, title: str) -> str:
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[2]


# The job file


def test_every_key_of_the_models_is_in_the_reference_and_no_other() -> None:
    """docs/job-file.md has a row for each key that a job may have, and for nothing else."""
    assert documented() == keys()


@pytest.mark.parametrize("prefix", SECTIONS)
def test_the_reference_states_the_defaults_of_the_models(prefix: str) -> None:
    """A default in the table reads as the model's own; a required key has none."""
    fields = SECTIONS[prefix].model_fields
    checked = 0
    for key, _, default, _ in rows():
        name = key.strip("`").removeprefix(prefix)
        if not key.strip("`").startswith(prefix) or name not in fields:
            continue
        checked += 1
        field = fields[name]
        assert (default == "required") == field.is_required(), key
        if default.startswith("`"):
            stated = _in_model(prefix, name, default.strip("`"))
            assert stated == field.default, key
        elif not field.is_required():
            assert field.default in (None, {}) or name in ("expect", "ledger"), key
    assert checked == len(fields)


def _in_model(prefix: str, name: str, text: str) -> Any:
    """Read the default of the table as a job file would have it."""
    path = [step for step in prefix.split(".") if step] + [name]
    job: Any = read_text(_BASE, Path("job.yaml"), [f"{'.'.join(path)}={text}"])
    for step in path:
        job = getattr(job, step)
    return job


_BASE = """
job: base
source: {path: x.csv}
contact: {email: email}
time: {column: visited}
events:
  - type: pageViewed
    page: {location: url}
delivery: {api: sandbox}
"""


def _yaml_blocks() -> Iterator[Any]:
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for match in re.finditer(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield pytest.param(match[1], id=f"{document.name}:{text.count(chr(10), 0, match.start()) + 1}")


@pytest.mark.parametrize("text", list(_yaml_blocks()))
def test_every_example_of_a_job_file_has_no_mistakes(text: str) -> None:
    """A whole job is read as it is; a part takes the place of its keys in a small job."""
    document = read_document(text)
    assert not document.mistakes
    own = document.values
    base = [
        block for block in re.findall(r"^\w.*\n(?:[ ].*\n)*", _BASE, re.MULTILINE) if block.split(":")[0] not in own
    ]
    if "dedupe" in own:  # its types and fields need rules that have them
        base = [block for block in base if not block.startswith("events")] + [_CARTS]
    read_text(text if "job" in own else "".join(base) + text, Path("job.yaml"))


_CARTS = """events:
  - type: pageViewed
    page: {location: url}
  - type: cartUpdated
    lines: [cart]
    products: {productId: sku, quantity: qty, price: price}
    recycleStateId: cart
"""


# Expressions


@pytest.mark.parametrize(("expression", "row", "gives"), RECIPES)
def test_a_recipe_gives_what_is_said(expression: str, row: str, gives: str) -> None:
    """The recipes of docs/expressions.md, run over their rows by the mapping itself."""
    assert given(expression, row) == gives


@pytest.mark.parametrize(("expression", "message"), MISTAKES)
def test_a_mistake_is_told_as_said(expression: str, message: str) -> None:
    """The mistakes of docs/expressions.md, told by `check`."""
    assert complaint_of(expression) == message


def test_there_are_recipes_and_mistakes() -> None:
    """The tables are found."""
    assert len(RECIPES) > 20
    assert len(MISTAKES) > 10


# Commands and exit codes


@pytest.mark.parametrize("name", _commands())
def test_every_command_and_option_is_documented(name: str) -> None:
    """A command has a row in the README and a section with all its options in docs/commands.md."""
    assert re.search(rf"^\| `clickreplay {name}\b", README, re.MULTILINE)
    section = _section(COMMANDS, name)
    for parameter in _commands()[name].params:
        if isinstance(parameter, click.Option):
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert re.search(rf"{option}\b", section), option


def test_no_command_is_documented_that_is_not_there() -> None:
    """The README's table has the commands that there are."""
    assert set(re.findall(r"^\| `clickreplay (\w+)", README, re.MULTILINE)) == set(_commands())
    assert set(re.findall(r"^## (\w+)$", COMMANDS, re.MULTILINE)) == set(_commands())


def test_every_exit_code_is_in_the_readme() -> None:
    """The table of exit codes is that of etl.errors."""
    table = re.findall(r"^\| (\d+) \| ([A-Z]+) \|", README, re.MULTILINE)
    assert [(int(code), name) for code, name in table] == [(int(code), code.name) for code in Exit]


# Reasons


def _reasons(title: str) -> list[list[str]]:
    lines = [line for line in _section(BOOKS, title).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("whole", Whole)
def test_every_reason_of_a_whole_is_explained_as_the_tool_does(whole: Whole) -> None:
    """docs/books.md has the tool's own sentence."""
    assert [f"`{whole}`", explain(whole).replace("|", r"\|")] in _reasons("invalid")


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_of_a_value_is_explained_as_the_tool_does(fault: Fault) -> None:
    """docs/books.md has an example of a reason that ends so, with the tool's own sentence."""
    (row,) = [row for row in _reasons("invalid") if row[0] == f"`{fault}`" and len(row) == 3]
    example = row[1].strip("`")
    assert example.endswith(f".{fault}")
    assert row[2] == explain(example).replace("|", r"\|")


def test_every_reason_of_filtered_is_explained() -> None:
    """The names that a filter of one's own may not have, those of the ready ones, and those of withdrawn events."""
    told = {row[0].strip("`") for row in _reasons("filtered")}
    assert told == {*RESERVED, *FILTERED, *READY, "<name>"}


def _words_in(folder: str, pattern: str) -> set[str]:
    files = (ROOT / "etl" / folder).glob("*.py")
    return {word for file in files for word in re.findall(pattern, file.read_text("utf-8"))}


def test_every_reason_of_duplicate_is_explained() -> None:
    """The reasons by which the outbox lets an event fall out as a duplicate."""
    told = {row[0].strip("`") for row in _reasons("duplicate")}
    used = _words_in("outbox", r'(?:result\.duplicate,\s+|\bsql\(\s*)"(\w+)"') | _words_in(
        "flow", r'duplicate\["(\w+)"\]'
    )
    assert used == told


def test_every_guard_is_explained() -> None:
    """The names of the guards, wherever they are raised."""
    told = {row[0].strip("`") for row in _reasons("Guards")}
    used = _words_in("flow", r'(?:Stopped|GuardError)\(\s*"([a-z_]+)"') | _words_in("delivery", r'guard="(\w+)"')
    used |= _words_in("", r'__init__\("(state)"')
    assert used == told


def test_every_key_of_the_json_is_explained() -> None:
    """The table of docs/books.md has the keys that the summary gives."""
    told = {key for row in _reasons("The JSON") for key in re.findall(r"`(\w+)`", row[0])}
    source = (ROOT / "etl" / "report" / "summary.py").read_text("utf-8")
    given_keys = re.findall(r'^            "(\w+)":', source, re.MULTILINE)
    assert told == {*given_keys, "of", "lookups", "skipped", "earlier"}


def test_every_key_of_the_json_of_several_days_is_explained() -> None:
    """docs/dates.md has the keys that a range adds to those of a run."""
    day = date(2026, 11, 22)
    empty = Summary("shop", None, None, "event", "sandbox", Books())
    added = set(DaysSummary(day, day, empty, (empty,), costs={"event": Cost(1, 1, 1, 1, 1)}).to_json()) - set(
        empty.to_json()
    )
    table = _section((ROOT / "docs" / "dates.md").read_text("utf-8"), "The JSON of several days")
    assert {
        key for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)
    } == added


# Everything


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Relative links name files that are there, and headings that they have."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text("utf-8")):
        file, _, anchor = target.partition("#")
        linked = (document.parent / file).resolve() if file else document
        assert linked.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_paths_that_are_named_are_there(document: Path) -> None:
    """Folders and files of the project that a document names in backquotes exist."""
    for path in re.findall(r"`((?:etl|schemas|jobs|data|docs|tests)(?:/[\w.-]+)*/?)`", document.read_text("utf-8")):
        if not path.startswith("jobs/my-"):
            assert (ROOT / path).exists(), path


# Faults


def test_every_fault_names_a_test_that_is_there() -> None:
    """docs/faults.md proves what it says: each row ends with tests, by file and name."""
    text = (ROOT / "docs" / "faults.md").read_text("utf-8")
    faults = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| Fault", "|---"))]
    assert len(faults) > 25
    for row in faults:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.split("|")[-2])
        assert named, row
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text("utf-8"), name
