"""A host with several addresses, some of which swallow connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from servers import free_port

from etl.delivery.addresses import Addresses


@contextmanager
def swallowing(address: str, port: int) -> Iterator[None]:
    """An address that never answers: its queue of connections is full."""
    with ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hole.bind((address, port))
        hole.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that every name has, in this order."""
    addresses: list[str] = []

    def found(_: str, port: int, **more: Any) -> list[tuple[Any, ...]]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in addresses]

    monkeypatch.setattr("etl.delivery.addresses.socket.getaddrinfo", found)
    return addresses


def connect(addresses: Addresses, seconds: float = 5.0) -> str:
    with addresses.connect(seconds, lambda: False) as made:
        assert made.gettimeout() == seconds
        return str(made.getpeername()[0])


def test_the_living_address_is_found_behind_dead_ones_within_one_time_out(named: list[str]) -> None:
    named += ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as living:
        port = living.getsockname()[1]
        with swallowing("127.0.0.2", port), swallowing("127.0.0.3", port):  # nobody listens on 127.0.0.4
            assert connect(Addresses("api.example", port)) == "127.0.0.1"


def test_the_one_that_worked_is_the_first_of_the_next_time(named: list[str]) -> None:
    named += ["127.0.0.2", "127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as living:
        port = living.getsockname()[1]
        addresses = Addresses("api.example", port)
        assert connect(addresses) == "127.0.0.1"
        with socket.create_server(("127.0.0.2", port)):
            assert connect(addresses) == "127.0.0.1"
            assert connect(Addresses("api.example", port)) == "127.0.0.2"


def test_where_the_one_that_worked_is_gone_another_is_taken(named: list[str]) -> None:
    named += ["127.0.0.1", "127.0.0.2"]
    with socket.create_server(("127.0.0.2", 0)) as second:
        port = second.getsockname()[1]
        addresses = Addresses("api.example", port)
        with socket.create_server(("127.0.0.1", port)):
            assert connect(addresses) == "127.0.0.1"
        assert connect(addresses) == "127.0.0.2"


def test_when_none_answers_each_is_named_with_its_reason(named: list[str]) -> None:
    named += ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    port = free_port()
    with (
        swallowing("127.0.0.2", port),
        swallowing("127.0.0.4", port),
        pytest.raises(TimeoutError) as caught,
    ):
        Addresses("api.example", port).connect(1.0, lambda: False)
    assert str(caught.value) == "Connection refused (127.0.0.3); no answer (127.0.0.2, 127.0.0.4)"


def test_when_all_refuse_it_does_not_wait(named: list[str]) -> None:
    named += ["127.0.0.2", "127.0.0.3"]
    with pytest.raises(OSError, match=r"^Connection refused \(127\.0\.0\.2, 127\.0\.0\.3\)$"):
        Addresses("api.example", free_port()).connect(600.0, lambda: False)


def test_it_ends_when_nobody_wants_it_any_more(named: list[str]) -> None:
    named.append("127.0.0.2")
    port, over = free_port(), threading.Event()
    threading.Timer(0.2, over.set).start()
    before = time.monotonic()
    with swallowing("127.0.0.2", port), pytest.raises(TimeoutError):
        Addresses("api.example", port).connect(600.0, over.is_set)
    assert time.monotonic() - before < 60
