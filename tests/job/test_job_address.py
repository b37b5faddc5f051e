"""Which paths are addresses, and how one is shown."""

import pytest

from etl.address import is_remote, masked_address


@pytest.mark.parametrize("text", ["s3://b/k", "gs://b/k", "https://h/p", "HTTP://h/p"])
def test_addresses_are_known_by_their_scheme(text):
    assert is_remote(text)


@pytest.mark.parametrize("text", ["a.csv", "C:/s3/a.csv", "./s3://b", "file:///a.csv", "s3:/b"])
def test_all_else_is_a_path_of_this_machine(text):
    assert not is_remote(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/a.csv?day=2026-11-22&page=2", "https://h/a.csv?day=2026-11-22&page=2"),
        ("https://h/a?X-Amz-Date=2026&X-Amz-Signature=ab", "https://h/a?X-Amz-Date=…&X-Amz-Signature=…"),
        ("https://h/a?sv=2024&sig=ab%3D&se=2026", "https://h/a?sv=…&sig=…&se=…"),
        ("https://h/a?Expires=1&GoogleAccessId=a&Signature=b", "https://h/a?Expires=…&GoogleAccessId=…&Signature=…"),
        (
            "https://h/a?api_key=ab&token=b&password=c&access_token=d",
            "https://h/a?api_key=…&token=…&password=…&access_token=…",
        ),
        ("https://h/a?export=0123456789abcdef0123456789abcdef", "https://h/a?export=…"),
        ("https://ann:pw@h/a.csv", "https://***@h/a.csv"),
        ("found `https://h/a?sig=b` here", "found `https://h/a?sig=… here"),
        ("s3://bucket/a?b=c.csv", "s3://bucket/a?b=c.csv"),
        ("exports/a?sig=b.csv", "exports/a?sig=b.csv"),
    ],
)
def test_secrets_of_an_address_are_not_shown(text, shown):
    assert masked_address(text) == shown
