"""Which hosts are this machine."""

import socket
import threading

import pytest

from etl.address import is_loopback
from etl.delivery.addresses import Addresses


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to, in the place of the machine's own resolver."""
    known: dict[str, list[str]] = {}

    def look_up(host: str, port: int | None, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    return known


def test_addresses_and_localhost_itself_are_known_without_a_look(names: dict[str, list[str]]) -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "localhost"]))
    assert not any(map(is_loopback, ["10.0.0.1", "localhost.example", "api.example", "evillocalhost"]))


def test_a_name_below_localhost_is_this_machine_only_where_it_resolves_to_it(names: dict[str, list[str]]) -> None:
    names |= {"a.localhost": ["127.0.0.1"], "b.localhost": ["203.0.113.7"], "c.localhost": ["127.0.0.1", "203.0.113.7"]}
    assert [is_loopback(f"{name}.localhost") for name in "abcd"] == [True, False, False, False]


def test_plain_http_connects_to_no_other_machine_even_if_its_name_has_moved(names: dict[str, list[str]]) -> None:
    names["a.localhost"] = ["203.0.113.7"]
    with pytest.raises(OSError, match="is not this machine, and plain http is for this machine only"):
        Addresses("a.localhost", 80, only_here=True).connect(1.0, threading.Event().is_set)
