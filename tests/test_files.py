"""Files appear whole or not at all, and no link that lies in their way leads elsewhere."""

import stat
from pathlib import Path

import pytest

from etl.files import PUBLIC, create_private, replaced


def test_a_file_is_replaced_whole_and_stays_as_it_was_where_something_fails(tmp_path: Path) -> None:
    file = tmp_path / "books.json"
    with replaced(file) as part:
        part.write_text("one")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("one", 0o600)
    with pytest.raises(UnicodeEncodeError), replaced(file) as part:
        part.write_text("two \udcff", "utf-8")
    assert file.read_text() == "one"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_of_the_name_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    for name in ("m.prom", ".m.prom.part"):
        (tmp_path / name).symlink_to(other)
    with replaced(tmp_path / "m.prom", PUBLIC) as part:
        part.write_text("running 1")
    create_private(tmp_path / ".m.prom.part")
    assert other.read_text() == "of somebody else"
    assert not (tmp_path / "m.prom").is_symlink()
    assert stat.S_IMODE((tmp_path / "m.prom").stat().st_mode) == 0o644
