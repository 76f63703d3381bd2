"""Ports for servers: none that the system gives to clients, so each finds its own again."""

import os
import random
import socket
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"

_CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
# macOS, the BSDs and Windows keep to IANA's dynamic ports; most Linuxes begin here.
_CLIENTS_ELSEWHERE = (32_768, 65_535)
# Well-known services are below.
_MIN, _MAX = 20_000, 65_535
_TRIES = 200

# UDP's ports are others than TCP's: to have one bound tells all processes which port was chosen and
# is in no server's way. By then servers of the oldest have long begun to listen.
_reservations: "deque[int]" = deque(maxlen=100)


def free_ports(clients: Path = _CLIENTS) -> Iterator[int]:
    """Ports that nobody has bound or chosen to bind soon, in any order.

    A broker takes seconds from the choice of its port until it listens. A client that connects
    while a server is down is not given the server's port. The system says in the file `clients`
    which ports it gives them.
    """
    outside = ports_outside(ports_of_clients(clients))
    # Not from the seed of whoever uses the sandbox.
    candidates = random.SystemRandom().sample(outside, min(_TRIES, len(outside)))
    chosen = []
    for port in candidates:
        if is_free(port, again=False):
            if _reserve(port):
                yield port
            else:
                chosen.append(port)
    # Where nothing else is left, who chose one may never have used it.
    yield from (port for port in chosen if is_free(port, again=False))


def _reserve(port: int) -> bool:
    """Says to other processes that the port is chosen; False if another one was first."""
    reservation = socket.socket(type=socket.SOCK_DGRAM)
    try:
        reservation.bind((HOST, port))
    except OSError:
        reservation.close()
        return False
    if len(_reservations) == _reservations.maxlen:
        os.close(_reservations.popleft())
    _reservations.append(reservation.detach())
    return True


def ports_outside(clients: tuple[int, int]) -> list[int]:
    """The ports for servers, where clients are given those from the first to the last of two."""
    first, last = clients
    ports = [port for port in range(_MIN, _MAX + 1) if not first <= port <= last]
    # Where clients are given all of them, none is better than another.
    return ports or list(range(_MIN, _MAX + 1))


def is_free(port: int, *, again: bool) -> bool:
    """Whether a server may listen there; `again` says that it did before.

    What is left of its connections is not in its way then, and not in Kafka's.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(again))
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def ports_of_clients(said: Path = _CLIENTS) -> tuple[int, int]:
    """The first and the last port that the system gives to clients, as a file of its says."""
    if not said.exists():
        return _CLIENTS_ELSEWHERE
    first, last = said.read_text().split()
    return int(first), int(last)
