"""Where the sandbox's servers listen."""

import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path
from random import SystemRandom

import pytest

from sandbox import ports
from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_ports, is_free, ports_outside
from sandbox.proxy import Proxy

LINUX = "32768\t60999\n"


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    """Where the system says which ports it gives to clients; nothing there yet."""
    return tmp_path / "ip_local_port_range"


@pytest.mark.parametrize(
    ("told", "of_clients"),
    [
        (LINUX, range(32_768, 61_000)),
        ("15000 61000", range(15_000, 61_001)),
        ("20011 65535", range(20_011, 65_536)),
        (None, range(32_768, 65_536)),
    ],
    ids=["Linux", "from further down", "nearly all", "elsewhere"],
)
def test_servers_have_no_port_that_the_system_gives_to_clients(
    told: str | None, of_clients: range, clients: Path
) -> None:
    if told is not None:
        clients.write_text(told)
    found = list(islice(free_ports(clients), 50))

    assert found
    assert not set(found) & set(of_clients)


def test_where_clients_are_given_all_ports_servers_have_any(clients: Path) -> None:
    clients.write_text("1024 65535")

    assert next(free_ports(clients)) >= 20_000


def test_what_is_left_for_servers_is_on_both_sides_of_the_clients() -> None:
    assert ports_outside((20_002, 65_534)) == [20_000, 20_001, 65_535]


def test_ports_come_in_another_order_each_time() -> None:
    assert list(islice(free_ports(), 20)) != list(islice(free_ports(), 20))


def test_who_chooses_while_others_have_not_yet_bound_what_they_chose_has_other_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Of few, but each time of others: they stay chosen, and another run may do the same beside us.
    first = SystemRandom().choice(ports_outside(ports.ports_of_clients())[:-30])
    few = list(range(first, first + 30))
    monkeypatch.setattr(ports, "ports_outside", lambda _clients: few)
    ours = list(islice(free_ports(), 15))
    choose = (
        "from itertools import islice; from sandbox import ports; "
        f"ports.ports_outside = lambda _clients: {few}; print(*islice(ports.free_ports(), 10))"
    )
    theirs = subprocess.run(  # noqa: S603 - our own words, and no shell
        [sys.executable, "-c", choose], capture_output=True, text=True, check=True
    )

    assert not set(ours) & set(map(int, theirs.stdout.split()))


def test_where_all_are_chosen_one_that_is_free_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    port = next(free_ports())
    monkeypatch.setattr(ports, "ports_outside", lambda _clients: [port])

    assert [next(free_ports()) for _ in range(2)] == [port, port]


@pytest.mark.parametrize("listens", [True, False])
def test_a_port_that_another_server_has_taken_is_not_free_even_before_it_listens(
    listens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = next(free_ports())
    monkeypatch.setattr(ports, "ports_outside", lambda _clients: [port])
    with socket.socket() as another:
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        another.bind((HOST, port))
        if listens:
            another.listen()
        taken = list(free_ports())

    assert (taken, list(free_ports())) == ([], [port])


def test_what_is_left_of_a_servers_connections_is_not_in_its_way() -> None:
    with socket.create_server((HOST, next(free_ports()))) as server:
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # first, so that it is the one who has to wait
            client.recv(1)

    assert (is_free(port, again=True), is_free(port, again=False)) == (True, False)


@pytest.mark.kafka
async def test_a_broker_and_the_proxies_before_it_have_no_port_of_clients(tmp_path: Path) -> None:
    first, last = ports.ports_of_clients()
    async with Proxy() as proxy:
        kafka = Kafka(tmp_path, advertised=[proxy.port])
        kafka.configure()
    told = [proxy.port, int(kafka.bootstrap.partition(":")[2]), *kafka.listeners.values()]

    assert [port for port in told if first <= port <= last] == []
