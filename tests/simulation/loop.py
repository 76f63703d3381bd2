"""An event loop of many hosts, whose time passes at once and whose every choice comes from a seed.

A *host* is one process, or one thread of it. What a host does stays in its own order; which host
goes on next is drawn. So two threads, or two processes, meet in all the ways that real ones can,
and a seed meets them again in the same way.
"""

import asyncio
import contextlib
import contextvars
import gc
import heapq
import io
import selectors
import sys
from collections import deque
from collections.abc import Coroutine
from random import Random
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_WALL_EPOCH_S = 2_000_000_000.0
_MOST_TURNS = 64
_TURN_S = 0.000_01


class Host(NamedTuple):
    """A process by name, and the thread of it, empty for its first."""

    process: str
    thread: str = ""


WORLD = Host("world")
HOST: contextvars.ContextVar[Host] = contextvars.ContextVar("host", default=WORLD)


class NothingLeftError(RuntimeError):
    """All wait, and nothing will ever happen again."""


class _Ready:
    """What `asyncio` takes for its queue of handles: one queue a host."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        # Hosts with something to do, in a list so that one is drawn at little cost.
        self._queues: dict[Host, deque[asyncio.Handle]] = {}
        self.frozen: dict[str, float] = {}
        self.dead: set[str] = set()

    def append(self, handle: asyncio.Handle) -> None:
        host: Host = handle._context.get(HOST, WORLD)  # type: ignore[attr-defined]
        if host.process in self.dead:
            return
        queue = self._queues.get(host)
        if queue is None:
            queue = self._queues[host] = deque()
        queue.append(handle)

    def popleft(self) -> asyncio.Handle | None:
        """The next handle of a host that is drawn; None where none can go on."""
        able = (
            list(self._queues)
            if not self.frozen
            else [host for host in self._queues if host.process not in self.frozen]
        )
        if not able:
            return None
        host = able[0] if len(able) == 1 else able[self._rng.randrange(len(able))]
        queue = self._queues[host]
        handle = queue.popleft()
        if not queue:
            del self._queues[host]
        return handle

    def forget(self, process: str) -> None:
        for host in [host for host in self._queues if host.process == process]:
            del self._queues[host]

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def __bool__(self) -> bool:
        return bool(self._queues)

    def clear(self) -> None:
        self._queues.clear()


class _NoWaiting(selectors.SelectSelector):
    """There is nothing outside of this process to wait for."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        del timeout
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """`now_s` is the time since the story began; `wall_s` what its clocks show, in s since 1970."""

    _ready: Any
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, rng: Random) -> None:
        self.now_s = 0.0
        self.turns = 0
        self.failures: list[dict[str, Any]] = []
        super().__init__(_NoWaiting())
        self._ready = _Ready(rng)
        self.network: Any = None
        self.set_exception_handler(self._note)
        self.set_task_factory(self._task)
        # By process, so that the tasks of one can be ended together.
        self._tasks: dict[str, set[asyncio.Task[Any]]] = {}

    # -- time

    def time(self) -> float:
        return self.now_s

    @property
    def wall_s(self) -> float:
        return _WALL_EPOCH_S + self.now_s

    def _run_once(self) -> None:
        """Runs some handles; lets time pass to the next timer when no host has anything to do."""
        for _ in range(_MOST_TURNS):
            self._wake()
            handle = self._ready.popleft()
            if handle is None:
                self._pass_time()
                continue
            self.turns += 1
            # Work takes time too: who waits by turns for what comes with time would wait for ever.
            self.now_s += _TURN_S
            if not handle.cancelled():
                handle._run()
            if self._stopping:
                return

    def _wake(self) -> None:
        scheduled = self._scheduled
        while scheduled and scheduled[0].when() <= self.now_s:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            if not timer.cancelled():
                self._ready.append(timer)
        for process, until in list(self._ready.frozen.items()):
            if until <= self.now_s:
                del self._ready.frozen[process]

    def _pass_time(self) -> None:
        scheduled = self._scheduled
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]
        times = [scheduled[0].when()] if scheduled else []
        times += self._ready.frozen.values()
        if not times:
            raise NothingLeftError
        self.now_s = max(self.now_s, min(times))

    # -- hosts

    def on_host(self, host: Host, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a task, and whatever comes of it, on a host."""
        context = contextvars.copy_context()
        context.run(HOST.set, host)
        return self.create_task(work, context=context)

    def freeze(self, process: str, seconds: float) -> None:
        """All of a process stands still; its clocks go on."""
        until = self.now_s + seconds
        self._ready.frozen[process] = max(until, self._ready.frozen.get(process, 0.0))

    def kill(self, process: str) -> None:
        """Nothing of a process goes on, not even what it would do at its end."""
        self._ready.dead.add(process)
        self._ready.forget(process)
        for task in self._tasks.pop(process, ()):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _GRAVEYARD.append(task)

    def is_dead(self, process: str) -> bool:
        return process in self._ready.dead

    def _task(self, loop: Any, work: Any, **options: Any) -> Any:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        context = options.get("context")
        process = (context.get(HOST, WORLD) if context is not None else HOST.get()).process
        tasks = self._tasks.setdefault(process, set())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.failures.append(context)

    # -- the network

    async def create_connection(
        self,
        protocol_factory: Any,
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        **_: Any,
    ) -> Any:
        if ssl is not None:
            raise ConnectionResetError("the simulated broker speaks no TLS")
        return await self.network.connect(protocol_factory, host, port)


# What a killed process has left: it must not be collected, for that would run its last words.
_GRAVEYARD: list[asyncio.Task[Any]] = []


def bury() -> None:
    """Collects what killed processes have left, whose last words go nowhere."""
    heard = sys.unraisablehook
    sys.unraisablehook = lambda _unraisable: None
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            for task in _GRAVEYARD:
                with contextlib.suppress(RuntimeError, BaseExceptionGroup):
                    task.get_coro().close()
            _GRAVEYARD.clear()
            gc.collect()
    finally:
        sys.unraisablehook = heard
