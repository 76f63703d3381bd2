"""An event loop of many hosts, whose time passes at once and whose every choice comes from a seed.

A *host* is one process, or one thread of it. What a host does stays in its own order; which host
goes on next is drawn. So two threads, or two processes, meet in all the ways that real ones can,
and a seed meets them again in the same way.
"""

import asyncio
import contextlib
import contextvars
import functools
import gc
import heapq
import io
import selectors
import sys
from collections import defaultdict, deque
from collections.abc import Coroutine, Iterator, MutableMapping
from random import Random
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_WALL_EPOCH_S = 2_000_000_000.0
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


class Turn(list[Any]):
    """A callback, its arguments and their context; empty once it is cancelled.

    To those who may cancel it, it is what asyncio's handles are. A list is made without any code of
    ours, and half a million of them are made a minute.
    """

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]  # two turns are never the same
    __eq__ = object.__eq__

    def cancel(self) -> None:
        self.clear()

    def cancelled(self) -> bool:
        return not self


class _Ready:
    """What waits for its turn: one queue a host, of those hosts that have something to do."""

    def __init__(self) -> None:
        self.queues: dict[Host, deque[Turn]] = {}
        self.frozen: dict[str, float] = {}
        self.dead: set[str] = set()

    def append(self, turn: Turn) -> None:
        host = turn[2].get(HOST, WORLD)
        queue = self.queues.get(host)
        if queue is not None:
            queue.append(turn)
        elif host.process not in self.dead:
            self.queues[host] = deque((turn,))

    def forget(self, process: str) -> None:
        for host in [host for host in self.queues if host.process == process]:
            del self.queues[host]

    def clear(self) -> None:
        self.queues.clear()


class _Task(asyncio.Task[Any]):
    """A task with a place in sets that is the same in each process: others have their address.

    Mode ends the tasks of a service in the order of a set.
    """

    def __init__(self, work: Any, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(work, **options)

    def __hash__(self) -> int:
        return self._number


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
    # Asked of for every future and every timer: `bool()` is False, and quicker than a method is.
    get_debug = bool

    def __init__(self, rng: Random) -> None:
        self.now_s = 0.0
        self.turns = 0
        self.failures: list[dict[str, Any]] = []
        # Tuples compare many times faster than asyncio's timers do.
        self._timers: list[tuple[float, int, Turn]] = []
        self._made_timers = self._made_tasks = 0
        super().__init__(_NoWaiting())
        self._ready = _Ready()
        self._draw = rng.random
        self.network: Any = None
        # By process: how far its wall clock is off, and what its monotonic clock has missed.
        self.leaps: dict[str, float] = {}
        self._suspended_s: dict[str, float] = {}
        self.set_exception_handler(self._note)
        self.create_future = functools.partial(asyncio.Future, loop=self)  # type: ignore[method-assign]  # as quick as can be
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
    ) -> Turn:
        turn = Turn((callback, args, context or contextvars.copy_context()))
        self._ready.append(turn)
        return turn

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # as above

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Any, *args: Any, context: Any = None
    ) -> Turn:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> Turn:
        """A timer that is cancelled goes when its time comes."""
        timer = Turn((callback, args, context or contextvars.copy_context()))
        self._made_timers += 1
        heapq.heappush(self._timers, (when, self._made_timers, timer))
        return timer

    def _run_once(self) -> None:
        """Runs what there is until the loop is told to stop.

        Time passes to the next timer when no host has anything to do.
        """
        timers, queues, frozen = self._timers, self._ready.queues, self._ready.frozen
        draw = self._draw
        while not self._stopping:
            if timers and timers[0][0] <= self.now_s:
                self._ring()
            if frozen:
                self._thaw()
                able = [host for host in queues if host.process not in frozen]
            else:
                able = [*queues]
            if not able:
                self._pass_time()
                continue
            host = able[0] if len(able) == 1 else able[int(draw() * len(able))]
            queue = queues[host]
            turn = queue.popleft()
            if not queue:
                del queues[host]
            if not turn:
                continue
            self.turns += 1
            # Work takes time too: who waits by turns for what comes with time would wait for ever.
            self.now_s += _TURN_S
            callback, arguments, context = turn
            try:
                context.run(callback, *arguments)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - a loop outlives what it runs
                self._note(self, {"exception": error})

    def _ring(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self.now_s:
            if timer := heapq.heappop(timers)[2]:
                self._ready.append(timer)

    def _thaw(self) -> None:
        frozen = self._ready.frozen
        for process in [each for each, until in frozen.items() if until <= self.now_s]:
            del frozen[process]

    def _pass_time(self) -> None:
        timers, frozen = self._timers, self._ready.frozen
        while timers and not timers[0][2]:
            heapq.heappop(timers)
        times = [timers[0][0]] if timers else []
        if frozen:
            times += frozen.values()
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

    def create_task(self, work: Any, *, name: Any = None, context: Any = None) -> asyncio.Task[Any]:
        self._made_tasks += 1
        task = _Task(work, self._made_tasks, loop=self, name=name, context=context)
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
