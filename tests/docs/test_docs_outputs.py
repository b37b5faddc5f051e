"""Every output that README.md and docs/ show is what the command gives today."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from shown_blocks import DOCUMENTS, ROOT, Shown, masked, played, shown_in

Played = dict[tuple[int, int], tuple[int, str]]


def _play(document: Path, folder: Path) -> Played:
    return {one.span: (code, output) for one, code, output in played(document, folder)}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, "Future[Played]"]:
    """All documents are played at the same time, each in a folder of its own."""
    with ThreadPoolExecutor(len(DOCUMENTS)) as pool:
        return {d: pool.submit(_play, d, tmp_path_factory.mktemp(d.stem)) for d in DOCUMENTS}


@pytest.mark.parametrize("shown", [one for d in DOCUMENTS for one in shown_in(d)], ids=lambda one: one.name)
def test_a_shown_output_is_real(shown: Shown, outputs: dict[Path, "Future[Played]"]) -> None:
    """What a document shows below a command is what the command gives, but for names of runs and seconds.

    `python tests/docs/shown_blocks.py` writes the present outputs into the documents.
    """
    code, output = outputs[shown.document].result()[shown.span]
    assert code == shown.exit, output
    assert masked(output) == masked(shown.output)


def test_every_console_block_is_checked() -> None:
    """A block of console output without its comment would rot."""
    for document in DOCUMENTS:
        assert document.read_text("utf-8").count("```console") == sum(s.kind == "output" for s in shown_in(document))


def test_the_readme_shows_what_make_demo_does() -> None:
    """The demo of the README is the recipe of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("$(DEMO_STATE)", ".demo").replace("$(BIN)/", "")
    first = shown_in(ROOT / "README.md")[0]
    assert f"\t{first.told}\n" in makefile
