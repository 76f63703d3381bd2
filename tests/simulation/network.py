"""A network in memory: latency, order on a connection, and connections that are cut."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from tests.simulation.loop import HOST, Host, SimulatedLoop

# Timers of one time do not keep their order.
_APART_S = 0.000_001

Serve = Callable[["Inbound", str], Coroutine[Any, Any, None]]


class Weather:
    """What the network does to what is sent; changed by the story as it goes on."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.least_s, self.most_s = 0.0005, 0.02
        # A connection is cut after so many sent pieces on average; 0 never.
        self.cut_every = 0
        self.down: set[str] = set()

    def latency(self) -> float:
        # Mostly fast, sometimes slow: order between connections is what matters.
        if self._rng.random() < 0.02:
            return self._rng.uniform(self.most_s, self.most_s * 25)
        return self._rng.uniform(self.least_s, self.most_s)

    def cuts(self) -> bool:
        return bool(self.cut_every) and self._rng.random() * self.cut_every < 1


class Inbound:
    """The server's end of a connection: whole frames in, bytes out."""

    def __init__(self, end: "_Client") -> None:
        self._client = end
        self.process = end.process
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < 4 + size:
                return
            self.frames.put_nowait(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]

    def write(self, frame: bytes) -> None:
        self._client.arrive(len(frame).to_bytes(4, "big") + frame)


class _Client(asyncio.Transport):
    """The client's end."""

    def __init__(
        self, network: "Network", protocol: asyncio.Protocol, serve: Serve, host: str
    ) -> None:
        super().__init__()
        self._network = network
        self._loop = network.loop
        self._protocol = protocol
        self._closing = False
        self._lost = False
        # Both directions keep their order.
        self._there = self._back = 0.0
        self._context = contextvars.copy_context()
        self.process = HOST.get().process
        self.host = host
        self._inbound = Inbound(self)
        self._server = self._loop.on_host(Host(host), serve(self._inbound, host))

    # -- as asyncio has it

    def write(self, data: Any) -> None:
        if self._closing:
            return
        if self._network.weather.cuts():
            self.cut()
            return
        self._there = max(
            self._there + _APART_S, self._loop.now_s + self._network.weather.latency()
        )
        self._loop.call_at(
            self._there, self._inbound_feed, bytes(data), context=self._network.context
        )

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._lose, None, context=self._context)
        self._hang_up()

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        del name
        return default

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    # -- the other direction

    def _inbound_feed(self, data: bytes) -> None:
        if not self._lost and not self._network.is_away(self.process, self.host):
            self._inbound.feed(data)

    def arrive(self, data: bytes) -> None:
        if self._closing:
            return
        if self._network.weather.cuts():
            self.cut()  # the answer is lost, what it answers is done
            return
        self._back = max(self._back + _APART_S, self._loop.now_s + self._network.weather.latency())
        self._loop.call_at(self._back, self._receive, data, context=self._context)

    def _receive(self, data: bytes) -> None:
        if not self._closing and not self._lost:
            self._protocol.data_received(data)

    def cut(self) -> None:
        """As a reset does: what is on its way is gone, both ends learn of it."""
        if self._lost or self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._lose, ConnectionResetError("cut"), context=self._context)
        self._hang_up()

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(error)

    def _hang_up(self) -> None:
        self._network.connections.pop(self, None)
        self._loop.call_soon(self._inbound.frames.put_nowait, None, context=self._network.context)


class Network:
    """Carries connections to servers, by their names."""

    def __init__(self, loop: SimulatedLoop, weather: Weather, serve: Serve) -> None:
        self.loop = loop
        self.weather = weather
        # In order of their making, so that a seed cuts the same ones.
        self.connections: dict[_Client, None] = {}
        self._serve = serve
        self.context = contextvars.copy_context()
        self.context.run(HOST.set, Host("kafka", "network"))

    def is_away(self, process: str, host: str) -> bool:
        return host in self.weather.down or self.loop.is_dead(process)

    async def connect(self, protocol_factory: Any, host: str, port: int) -> Any:
        del port
        await asyncio.sleep(self.weather.latency())
        if self.is_away(HOST.get().process, host):
            raise ConnectionRefusedError(f"nobody answers at {host}")
        protocol = protocol_factory()
        client = _Client(self, protocol, self._serve, host)
        self.connections[client] = None
        protocol.connection_made(client)
        return client, protocol

    def cut(self, process: str | None = None, host: str | None = None) -> None:
        """Cuts all connections, or those of one process, or to one server."""
        for client in list(self.connections):
            if process in {None, client.process} and host in {None, client.host}:
                client.cut()
