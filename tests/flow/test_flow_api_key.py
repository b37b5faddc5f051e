"""The API key: from the environment or a file, and where else it may be seen."""

import subprocess
from pathlib import Path

import pytest

from etl.errors import RefusedError
from etl.flow.target import api_key
from etl.sandbox.process import start_child


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_key_file_that_all_can_read_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, warned: bool
) -> None:
    file = tmp_path / "shop.key"
    file.write_text("secret-key\n")
    file.chmod(mode)
    monkeypatch.delenv("ESPUTNIK_API_KEY", raising=False)
    monkeypatch.setenv("ESPUTNIK_API_KEY_FILE", str(file))
    said: list[str] = []
    assert api_key("ESPUTNIK_API_KEY", said.append) == "secret-key"
    assert [f"chmod 600 {file}" in line for line in said] == [True] * warned
    assert "secret" not in "".join(said)


def test_a_key_file_that_is_no_text_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.key").write_bytes(b"\xff\xfe\x00")
    monkeypatch.delenv("ESPUTNIK_API_KEY", raising=False)
    monkeypatch.setenv("ESPUTNIK_API_KEY_FILE", str(tmp_path / "shop.key"))
    with pytest.raises(RefusedError, match="no text in UTF-8"):
        api_key("ESPUTNIK_API_KEY", print)


def test_the_sandbox_does_not_get_the_key_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("ESPUTNIK_API_KEY", "SHOP_KEY_OF_ITS_OWN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY")
    for name in secrets:
        monkeypatch.setenv(name, "secret-value")
    with start_child(tmp_path / "record.sqlite") as child:
        try:
            seen = Path(f"/proc/{child.pid}/environ").read_bytes()
        except FileNotFoundError:
            seen = subprocess.run(["ps", "eww", str(child.pid)], capture_output=True, check=False).stdout
    assert seen
    assert b"secret-value" not in seen
