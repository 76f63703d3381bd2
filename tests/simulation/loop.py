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
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
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


class OfProcess(MutableMapping[Any, Any]):
    """A dict that each process has one of, in place of one that belongs to a module."""

    def __init__(self) -> None:
        self._by_process = defaultdict[str, dict[Any, Any]](dict)

    @property
    def _own(self) -> dict[Any, Any]:
        return self._by_process[HOST.get().process]

    def __getitem__(self, key: Any) -> Any:
        return self._own[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._own[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._own[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


class NothingLeftError(RuntimeError):
    """All wait, and nothing will ever happen again."""


class _Turn(asyncio.Handle):
    """A handle without what asyncio's keeps for its debug mode."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        arguments: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
    ) -> None:
        self._context = context
        self._loop = loop
        self._callback = callback
        self._args = arguments
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class _Ready:
    """What `asyncio` takes for its queue of handles: one queue a host."""

    def __init__(self, rng: Random) -> None:
        self._draw = rng.random
        # Hosts with something to do.
        self._queues: dict[Host, deque[asyncio.Handle]] = {}
        self.frozen: dict[str, float] = {}
        self.dead: set[str] = set()

    def append(self, handle: asyncio.Handle) -> None:
        host: Host = handle._context.get(HOST, WORLD)  # type: ignore[attr-defined]
        if host.process in self.dead:
            return
        queue = self._queues.get(host)
        if queue is None:
            self._queues[host] = deque((handle,))
        else:
            queue.append(handle)

    def popleft(self) -> asyncio.Handle | None:
        """The next handle of a host that is drawn; None where none can go on."""
        able = list(self._queues)
        if self.frozen:
            able = [host for host in able if host.process not in self.frozen]
        if not able:
            return None
        host = able[0] if len(able) == 1 else able[int(self._draw() * len(able))]
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


class _Tasks:
    """The tasks of a process; those that are done are let go now and then, which costs no turns."""

    def __init__(self) -> None:
        self._all: list[asyncio.Task[Any]] = []
        self._most = 100

    def add(self, task: asyncio.Task[Any]) -> None:
        self._all.append(task)
        if len(self._all) > self._most:
            self._all = self.unfinished()
            self._most = 2 * len(self._all) + 100

    def unfinished(self) -> list[asyncio.Task[Any]]:
        return [task for task in self._all if not task.done()]


class _NoWaiting(selectors.SelectSelector):
    """There is nothing outside of this process to wait for."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        del timeout
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """`now_s` is the time since the story began; `wall_s` what its clocks show, in s since 1970."""

    _ready: Any
    _stopping: bool

    def __init__(self, rng: Random) -> None:
        self.now_s = 0.0
        self.turns = 0
        self.failures: list[dict[str, Any]] = []
        # Tuples compare many times faster than asyncio's timers do.
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._made_timers = 0
        super().__init__(_NoWaiting())
        self._ready = _Ready(rng)
        self.network: Any = None
        # By process: how far its wall clock is off, and what its monotonic clock has missed.
        self.leaps: dict[str, float] = {}
        self._suspended_s: dict[str, float] = {}
        self.set_exception_handler(self._note)
        self.set_task_factory(self._task)
        # By process, so that the tasks of one can be ended together.
        self._tasks: dict[str, _Tasks] = {}

    # -- time

    def time(self) -> float:
        return self.now_s

    @property
    def wall_s(self) -> float:
        return _WALL_EPOCH_S + self.now_s

    def wall_of_process(self) -> float:
        return self.wall_s + self.leaps.get(HOST.get().process, 0.0)

    def monotonic_of_process(self) -> float:
        """Leaves out the time for which its machine was suspended."""
        return self.now_s - self._suspended_s.get(HOST.get().process, 0.0)

    def call_soon(  # type: ignore[override]  # as wide as asyncio's, without its type variables
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        handle = _Turn(callback, args, self, context or contextvars.copy_context())
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # as above

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._made_timers += 1
        heapq.heappush(self._timers, (when, self._made_timers, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled timer goes when its time comes."""

    def _run_once(self) -> None:
        """Runs some handles; lets time pass to the next timer when no host has anything to do."""
        ready, timers = self._ready, self._timers
        for _ in range(_MOST_TURNS):
            if timers and timers[0][0] <= self.now_s:
                self._ring()
            if ready.frozen:
                self._thaw()
            handle = ready.popleft()
            if handle is None:
                self._pass_time()
                continue
            if handle._cancelled:
                continue
            self.turns += 1
            # Work takes time too: who waits by turns for what comes with time would wait for ever.
            self.now_s += _TURN_S
            handle._run()
            if self._stopping:
                return

    def _ring(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self.now_s:
            timer = heapq.heappop(timers)[2]
            if not timer.cancelled():
                self._ready.append(timer)

    def _thaw(self) -> None:
        frozen = self._ready.frozen
        for process in [each for each, until in frozen.items() if until <= self.now_s]:
            del frozen[process]

    def _pass_time(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        times = [timers[0][0]] if timers else []
        times += self._ready.frozen.values()
        if not times:
            raise NothingLeftError
        self.now_s = max(self.now_s, min(times))

    def close(self) -> None:
        super().close()
        self._timers.clear()

    # -- hosts

    def on_host(self, host: Host, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a task, and whatever comes of it, on a host."""
        context = contextvars.copy_context()
        context.run(HOST.set, host)
        return self.create_task(work, context=context)

    def freeze(self, process: str, seconds: float, *, suspended: bool = False) -> None:
        """All of a process stands still; its clocks go on, but one stops where it is suspended."""
        until = self.now_s + seconds
        if suspended:
            self._suspended_s[process] = self._suspended_s.get(process, 0.0) + seconds
        self._ready.frozen[process] = max(until, self._ready.frozen.get(process, 0.0))

    def kill(self, process: str) -> None:
        """Nothing of a process goes on, not even what it would do at its end."""
        self._ready.dead.add(process)
        self._ready.forget(process)
        for task in self._tasks.pop(process, _Tasks()).unfinished():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _GRAVEYARD.append(task)

    def is_dead(self, process: str) -> bool:
        return process in self._ready.dead

    def _task(self, loop: Any, work: Any, **options: Any) -> Any:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        context = options.get("context")
        process = (context.get(HOST, WORLD) if context is not None else HOST.get()).process
        tasks = self._tasks.get(process)
        if tasks is None:
            tasks = self._tasks[process] = _Tasks()
        tasks.add(task)
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


def bury(*, collect: bool = True) -> None:
    """Ends what killed processes have left, whose last words go nowhere.

    Collection looks through all there is: several stories can share one.
    """
    heard = sys.unraisablehook
    sys.unraisablehook = lambda _unraisable: None
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            for task in _GRAVEYARD:
                with contextlib.suppress(RuntimeError, BaseExceptionGroup):
                    task.get_coro().close()
            _GRAVEYARD.clear()
            if collect:
                gc.collect()
    finally:
        sys.unraisablehook = heard
