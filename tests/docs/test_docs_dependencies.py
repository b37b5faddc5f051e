"""docs/dependencies.md names every package that clickreplay needs, with its licence."""

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "dependencies.md").read_text("utf-8").splitlines()
    if re.match(r"\| [a-z]", line)
]
LICENCE = {name.strip(): licence for names, _, licences in ROWS for name in names.split(",") for licence in [licences]}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", text)[0] for text in requirements}


def test_every_dependency_has_a_row_and_every_row_is_a_dependency() -> None:
    """Those of the package, and those of each extra."""
    wanted = _names(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        wanted |= _names(extra)
    assert set(LICENCE) == wanted


@pytest.mark.parametrize("name", sorted(_names(PROJECT["dependencies"])))
def test_the_licence_is_the_one_that_the_package_itself_names(name: str) -> None:
    """Where the installed package names one in a form that can be compared."""
    said = metadata(name).get("License-Expression") or ""
    if not said:
        pytest.skip(f"{name} names its licence in free words")
    assert LICENCE[name] == said.replace(" AND ", " and ")


def test_the_project_has_a_licence_and_says_how_to_report_a_vulnerability() -> None:
    assert (ROOT / "LICENSE").read_text("utf-8").startswith("MIT License")
    assert PROJECT["license"] == "MIT"
    assert "Reporting a vulnerability" in (ROOT / "SECURITY.md").read_text("utf-8")
