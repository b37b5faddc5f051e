"""A stream cut into blocks of whole lines: a line over the limit costs itself alone."""

from __future__ import annotations

import io

import pytest

from etl.source.lines import whole_lines


@pytest.mark.parametrize("between", [b"", b"a\n", b"a\nb\nc\n"])
@pytest.mark.parametrize("block", [8, 16, 64])
def test_two_lines_over_the_limit_near_each_other_are_both_counted(block: int, between: bytes) -> None:
    data = b"x" * 300 + b"\n" + between + b"y" * 300 + b"\nend\n"
    found = list(whole_lines(io.BytesIO(data).read, block, 100))
    assert [part.data[:1] for part in found if part.too_long] == [b"x", b"y"]
    assert b"".join(part.data for part in found if not part.too_long) == between + b"end\n"
