"""What a story leaves for the oracles, and how large a story is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Self

from streams.outcomes import Misconfigured, Outcome, RetryRecord
from tests.simulation.kafka import Kafka
from tests.simulation.roles import HURRIED_SINK, IMPATIENT_SINK, ROUTER, SINK, Role
from tests.simulation.service import REFUSES, Service
from tests.simulation.worker import Worker

GROUP = SINK.group
# Of all stories, those about what the service dislikes: they are long, four times as others.
_DISLIKES_SHARE = 1 / 25
# And those about a backlog of updates: they are large.
_IMPORTS_SHARE = 1 / 40
_DISLIKES: Sequence[Outcome] = (
    RetryRecord("server_error"),
    Misconfigured("request_not_understood", "Look whether others pass."),
)
_THEMES = (
    *("clocks", "gaps", "growth", "handovers", "letters", "logs", "memberships", "raises"),
    *("reading", "replays", "takeovers"),
)


@dataclass(frozen=True)
class Plan:
    """How large a story is; `static` gives each worker a name that outlasts it (KIP-345)."""

    workers: int = 2
    partitions: int = 3
    users: int = 8
    records: int = 60
    seconds: float = 12.0
    faults: int = 4
    static: bool = False
    in_flight: int = 10_000
    """Records under way above which a partition is paused."""
    brokers: int = 1
    skips: bool = False
    """Whether workers pass over what was deleted, or hold until a person says so."""
    transactions: int = 0
    routers: int = 0
    """Above nought, what is written is raw, and routed."""
    refused_share: float = 0.02
    """Of what is not raw, the share that the service never takes."""
    commits_take_s: float = 0.003
    """How long the coordinator's disk and followers take for a commit, at most."""
    drain_s: float = 3.0
    """How long workers wait for what is in flight before they give partitions back."""
    marked_share: float = 0.03
    """Of records, the share beside which a transaction's mark takes an offset."""
    sends_again: bool = False
    """Whether old raw messages come again in the end."""
    suspends: bool = False
    """Whether what stands still does so with its machine, and for longer than a session."""
    theme: str = ""
    """What its faults are about (faults.THEMES); empty: whatever they are drawn from."""
    undisturbed_s: float = 0.0
    """How long nothing befalls anybody."""
    sink: Role | None = None
    """What those workers are that send to the destination; None: with the simulated sink."""
    within_s: float | None = None
    """All faults begin within so many seconds; None: whenever they will."""
    refusal: Outcome = REFUSES
    """How the service answers what it never takes."""
    goes_on: bool = False
    """Whether something is written to every partition now and then until all has ended."""

    @property
    def roles(self) -> dict[Role, int]:
        """How many workers there are to be of each role."""
        return {self.sink or SINK: self.workers} | ({ROUTER: self.routers} if self.routers else {})

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Mostly small: many short stories meet more than a few long ones in the same time."""
        if Random(f"dislikes {seed}").random() < _DISLIKES_SHARE:
            return cls._of_dislikes(Random(f"plan {seed}"))
        if Random(f"imports {seed}").random() < _IMPORTS_SHARE:
            return cls._of_imports(Random(f"plan {seed}"))
        rng = Random(f"plan {seed}")
        routers = rng.choice([0, 0, 0, 1, 2])
        seconds = rng.choice([0.5, 1.0, 1.0, 2.0, 4.0, 8.0])
        theme = rng.choice(["", "", "", "", "", "", *_THEMES])
        if theme in {"clocks", "memberships"}:
            # Whoever wakes is to have much left to send.
            seconds = 8.0
        elif theme in {"gaps", "letters", "logs", "reading"}:
            # The group is to have begun, and has still something to read.
            seconds = 4.0
        elif theme == "raises":
            # Users are to go on while one topic after another is raised.
            seconds = rng.choice([8.0, 8.0, 20.0])
        rates = [3, 8] if theme in {"clocks", "memberships", "raises", "replays"} else [3, 8, 14]
        if theme == "letters":
            # One is to be on its way most of the time.
            rates = [14]
        if theme in {"letters", "logs", "reading"}:
            routers = 0
        elif theme in {"raises", "replays"}:
            routers = rng.choice([1, 2])
        commits_take_s = rng.choice([0.003, 0.003, 0.6])
        return cls(
            workers=1 if theme == "replays" else rng.choice([1, 2, 2, 2, 3]),
            partitions=3 if theme == "gaps" else rng.choice([1, 2, 2, 3]),
            users=rng.choice([2, 4, 8]),
            records=round(seconds * rng.choice(rates)),
            seconds=seconds,
            faults=4 if theme in {"clocks", "memberships", "replays"} else rng.choice([1, 2, 3, 4]),
            static=rng.random() < 0.3,
            in_flight=rng.choice([4, 10_000, 10_000]),
            brokers=3 if theme == "gaps" else rng.choice([1, 1, 3]),
            skips=rng.random() < 1 / 2,
            transactions=0 if routers else rng.choice([0, 0, 0, 3]),
            routers=routers,
            refused_share=0.3 if theme == "letters" else rng.choice([0.02, 0.02, 0.3]),
            commits_take_s=0.6 if theme == "handovers" else commits_take_s,
            drain_s=0.5 if theme == "gaps" else 3.0,
            marked_share=0.5 if theme == "gaps" else 0.03,
            sends_again=theme == "replays" or rng.random() < 1 / 2,
            suspends=theme == "clocks",
            theme=theme,
            # What a router does not remember is what was before it began.
            undisturbed_s=0.7 * seconds if theme == "replays" else 0.0,
            within_s=3.0 if theme == "gaps" else rng.choice([None, None, 0.3, 3.0]),
        )

    @classmethod
    def _of_dislikes(cls, rng: Random) -> Self:
        """The service takes some records from nobody, and says that it is something else.

        They are dead letters when others have passed for long enough.
        """
        return cls(
            workers=rng.choice([1, 2]),
            partitions=2,
            users=rng.choice([2, 4]),
            records=60,
            seconds=20.0,
            faults=1,
            refused_share=0.15,
            theme="dislikes",
            undisturbed_s=8.0,
            sink=IMPATIENT_SINK,
            refusal=rng.choice(_DISLIKES),
            goes_on=True,
        )

    @classmethod
    def _of_imports(cls, rng: Random) -> Self:
        """Many users come at once, and nothing is wrong: no event has a reason to go first."""
        return cls(
            workers=rng.choice([1, 2]),
            partitions=2,
            users=500,
            records=500,
            seconds=1.0,
            faults=0,
            refused_share=0.0,
            theme="imports",
            sink=HURRIED_SINK,
        )


class Fault(NamedTuple):
    """What was done, to whom, from when until when in seconds."""

    kind: str
    process: str
    began: float
    ended: float

    def __str__(self) -> str:
        return f"{self.began:.1f} to {self.ended:.1f} s: {self.kind} {self.process}".rstrip()


@dataclass(frozen=True)
class Written:
    """A record, in the order in which all were written; `at_s` is when."""

    topic: str
    partition: int
    offset: int
    user: str
    id: str
    at_s: float
    is_refused: bool

    def __str__(self) -> str:
        return f"{self.id} ({self.topic} {self.partition}@{self.offset})"


@dataclass
class Evidence:
    """All that happened in one story."""

    seed: int
    plan: Plan
    kafka: Kafka
    service: Service
    written: list[Written] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    aborted: set[str] = field(default_factory=set)
    """Ids of records of transactions that were taken back."""
    excused: set[str] = field(default_factory=set)
    """Ids of records that Kafka or a person took away, perhaps before they were read."""
    deleted: set[str] = field(default_factory=set)
    """Those of them that were deleted after the group had begun."""
    unnoticed: list[str] = field(default_factory=list)
    """Logs of which workers say what is not so, or the group that it has done what is gone."""
    counted: float = 0.0
    """How many deleted offsets the workers said that they passed over or hold at."""
    is_writing: bool = True
    """Whether those who write do; not while a person keeps them from it."""
    heard_of: int | None = None
    """Among how many partitions those who write divide users; None: among all that there are."""
    killed: set[str] = field(default_factory=set)
    not_ready: dict[str, str] = field(default_factory=dict)
    """Worker -> what it said of itself when all was quiet."""
    all_ended: bool = False
    seconds: float = 0.0
    turns: int = 0
