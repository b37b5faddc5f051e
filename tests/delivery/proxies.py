"""A proxy on loopback: opens tunnels (CONNECT) and forwards plain requests, and writes down what it saw."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """`heads` are the heads of the requests it got; `answer` is its whole answer instead of doing what it is asked."""

    port: int = 0
    answer: bytes | None = None
    tls: ssl.SSLContext | None = None
    heads: list[str] = field(default_factory=list)

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            if self.tls is not None:
                client = self.tls.wrap_socket(client, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                if not piece:
                    return
                head += piece
            self.heads.append(head.decode("latin-1"))
            if self.answer is not None:
                client.sendall(self.answer)
                return
            verb, target, _ = self.heads[-1].split(" ", 2)
            to = target if verb == "CONNECT" else urlsplit(target).netloc
            host, _, port = to.rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                if verb == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: a\r\n\r\n")
                else:
                    server.sendall(head)
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join(5)


def _pump(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            to.sendall(piece)
    with suppress(OSError):
        to.shutdown(socket.SHUT_WR)


@contextmanager
def proxying(answer: bytes | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Run a proxy in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1], answer, tls)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=proxy.serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield proxy
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
