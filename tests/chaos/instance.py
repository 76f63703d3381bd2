"""A replica of a worker: its place in the network and, one after the other, its processes."""

import asyncio
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cli.demo.world import WorkerProcess
from tests.chaos.disturbance import Disturbance
from tests.chaos.moments import Moments
from tests.chaos.network import Network

_TAIL_LINES = 12
_FOR_GOOD = float("inf")


@dataclass
class Notes:
    """What befell whom; `ended` counts the processes that ended as they should not."""

    moments: Moments
    disturbances: list[Disturbance] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    tails: list[str] = field(default_factory=list)


@dataclass
class Instance:
    """`wanted` says whether its platform starts it again when it has ended by itself."""

    name: str
    network: Network
    log: Path
    notes: Notes
    process: WorkerProcess | None = None
    wanted: bool = False
    is_before: bool = False
    """Whether its next process is of the version before, where there is one."""
    life: int = 0
    port: int = 0
    alive_at: float = 0.0
    start_at: float = 0.0
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def worker(self) -> str:
        return self.name.rpartition("-")[0]

    @property
    def source(self) -> str:
        """The present process, as the journal names it."""
        return f"{self.name}#{self.life}"

    def kill(self) -> bool:
        """Ends the process with SIGKILL; False when there is none at this moment."""
        process, self.process, self.wanted = self.process, None, False
        if process is None:
            return False
        if process.code is not None:
            self.ended(process)
            return False
        begin = self.notes.moments.now()
        process.kill()
        self.notes.disturbances.append(Disturbance(self.source, begin, _FOR_GOOD))
        return True

    async def stop(self) -> None:
        """Ends the process as a platform does: it may finish what it is at."""
        process, self.process, self.wanted = self.process, None, False
        if process is None:
            return
        begin = self.notes.moments.now()
        if code := await process.stop():
            self._note(f"told to stop, {code}")
            self.notes.disturbances.append(Disturbance(self.source, begin, _FOR_GOOD))

    def signal(self, number: signal.Signals) -> bool:
        """Returns False when there is no process at this moment."""
        if self.process is None or self.process.code is not None:
            return False
        self.process.send_signal(number)
        return True

    def ended(self, process: WorkerProcess) -> None:
        """Takes note of a process that has ended by itself."""
        self._note(f"by itself, {process.code}")
        # It may have left its group at once, well before anybody looks.
        self.notes.disturbances.append(Disturbance(self.source, self.alive_at, _FOR_GOOD))
        process.kill()

    def _note(self, how: str) -> None:
        self.notes.ended[f"{self.worker} {how}"] += 1
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        self.notes.tails.append("\n".join([f"{self.source} ended {how}:", *lines]))
