"""A whole worker as one process of the simulation: checks, Faust app, engine, delivery."""

import asyncio
import contextlib
import contextvars
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from streams.engine.consumer import Consumer, Transport
from streams.engine.consumer_thread import ConsumerThread
from streams.engine.startup import StartError, prepare
from streams.worker.app import App
from streams.worker.readiness import readiness
from tests.simulation.loop import HOST, Host, SimulatedLoop
from tests.simulation.roles import Role

log = structlog.get_logger()


class _ThreadLoop:
    """The one loop as the consumer's thread has it: what others ask of it runs on its host."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self.host = Host(HOST.get().process, "consumer")
        self._context = contextvars.copy_context()
        self._context.run(HOST.set, self.host)

    def call_soon_threadsafe(self, call: Callable[..., object], *arguments: Any, **_: Any) -> Any:
        return self._loop.call_soon(call, *arguments, context=self._context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


class _Thread:
    """Stands for the consumer's thread: a host of its own on the one loop."""

    def __init__(self, service: Any) -> None:
        self._service = service

    def start(self) -> None:
        loop = self._service.thread_loop
        loop.on_host(loop.host, self._run())

    async def _run(self) -> None:
        # As mode's `_start_thread` does.
        try:
            await self._service._serve()
        except Exception:  # noqa: BLE001 - mode's own thread dies of it, and `crash` has told it
            self._service.set_shutdown()

    def stop(self) -> None:
        pass


class _ConsumerThread(ConsumerThread):
    async def _gather_remaining_tasks(self) -> None:
        """Nothing: mode's would end every task of the loop, which here is everybody's."""

    def on_crash(self, msg: str, *fmt: Any, **_: Any) -> None:
        """Told to the log: mode's prints a stack trace for a person, who has asked for none."""
        log.error("thread_crashed", detail=msg.format(*fmt))


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> ConsumerThread:
        loop: Any = self.loop
        return _ConsumerThread(
            self, loop=loop, thread_loop=_ThreadLoop(loop), Worker=_Thread, beacon=self.beacon
        )


class Worker:
    """One process. It ends by itself, is told to stop, is frozen or killed."""

    def __init__(
        self,
        loop: SimulatedLoop,
        name: str,
        role: Role,
        build: Callable[[], App],
        instance: str | None,
    ) -> None:
        self._loop = loop
        self.name = name
        self.role = role
        self.instance = instance
        self._build = build
        self.app: App | None = None
        self.ended_with: str | None = None
        """How it ended: empty when it was told to."""
        self.stop_asked_at: float | None = None
        self.stopped_at: float | None = None
        self._stop = asyncio.Event()
        self.task = loop.on_host(Host(name), self._live())

    async def _live(self) -> None:
        try:
            self.ended_with = await self._run()
        except StartError as error:
            self.ended_with = f"does not start: {error}"
        except Exception as error:  # noqa: BLE001 - a process ends with a stack trace
            self.ended_with = f"does not start: {_told(error)}"
        finally:
            self.stopped_at = self._loop.now_s

    async def _run(self) -> str:
        app = self.app = self._build()
        transport: Any = app.transport
        transport.Consumer = _Consumer
        app.finalize()
        assert isinstance(transport, Transport)
        transport.cluster = await prepare(
            transport.kafka, app.conf.id, app.reads, component=app.worker_name
        )
        app.conf.web_enabled = False
        try:
            await app.start()
            stopping = asyncio.ensure_future(self._stop.wait())
            ended = asyncio.ensure_future(app.wait_until_stopped())
            crashed = asyncio.ensure_future(app._crashed.wait())
            await asyncio.wait({stopping, ended, crashed}, return_when=asyncio.FIRST_COMPLETED)
            for each in (stopping, ended, crashed):
                each.cancel()
        except Exception as error:  # noqa: BLE001 - whatever ends a process
            return _told(error)
        finally:
            with contextlib.suppress(Exception):
                await app.stop()
        return _told(app.crash_reason)

    def tell_to_stop(self) -> None:
        if self.stop_asked_at is None:
            self.stop_asked_at = self._loop.now_s
            self._loop.call_soon(self._stop.set)

    def state(self) -> str:
        """What /ready says of it; empty for ready."""
        context = contextvars.copy_context()
        context.run(HOST.set, Host(self.name))
        return context.run(self._state)

    def _state(self) -> str:
        if self.app is None or self.app.consumer is None:
            return "not started"
        state, why = readiness(self.app)
        return "" if state == "ready" else f"{state}: {why}"

    @property
    def is_over(self) -> bool:
        return self.stopped_at is not None or self._loop.is_dead(self.name)


def _told(error: BaseException | None) -> str:
    """The first error of all that came of one; empty for none."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is None:
        return ""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    at = "".join(f" at {Path(each.filename).name}:{each.lineno}" for each in last)
    return f"{type(error).__name__}: {error}{at}"
