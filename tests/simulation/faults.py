"""What befalls workers, network, brokers and service: drawn from a story's seed.

What befalls the logs and the group's offsets is in `log_faults`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from streams.settings import KafkaSettings
from streams.topics import ALL, DEAD_LETTERS, EVENTS, USER_UPDATE
from tests.simulation.evidence import GROUP
from tests.simulation.kafka import address
from tests.simulation.log_faults import NOT_OF_RAW, LogFaults
from tests.simulation.service import TIMEOUT_S
from tests.simulation.stage import Stage
from tests.simulation.worker import Worker

_TABLES = [each for each in ALL if each.compacted]
_GIVEN_UP_AFTER_S = KafkaSettings().request_timeout_s
_SPARE = 2
_PATIENCE_S = 10.0
_SENT_AGAIN_S = 4.0
# As long as a dead letter may be waited for.
_LETTER_S = 15.0
# Of the times that the service is down, those in which only looks are.
_OF_LOOKS = 0.4
# Most promises are about what a worker leaves when it goes.
_OFTEN = (
    *("corrupt", "corrupt", "deleted", "elects", "freeze", "kill", "kill", "kill", "leaderless"),
    *("leaderless", "stop", "truncated"),
)
# Some mistakes show only where a few kinds meet, which drawn from all of them seldom do.
THEMES: Mapping[str, tuple[str, ...]] = {
    "clocks": ("crawls", "crawls", "freeze", "freeze", "freeze", "join", "leap"),
    "dislikes": ("down", "down", "down", "down", "join", "kill", "stop"),
    "gaps": ("join", "join", "slow", "slow", "slow", "stop", "stuck", "stuck"),
    "growth": (
        *("deleted", "down", "freeze", "grows", "grows", "join", "kill", "leaderless", "stop"),
        "stuck",
    ),
    "handovers": ("crawls", "join", "join", "slow", "stop"),
    "letters": ("kill", "leaderless", "leaderless", "leaderless", "moves", "stop"),
    "logs": ("deleted", "kill", "stuck", "truncated", "truncated", "truncated"),
    "memberships": (
        *("crawls", "elects", "elects", "elects", "elects", "freeze", "freeze", "join", "refused"),
    ),
    "raises": (
        *("crawls", "down", "fails", "fails", "freeze", "grows", "grows", "grows", "grows"),
        *("grows", "join", "kill", "kill", "leaderless", "stop", "stuck"),
    ),
    "reading": (
        *("corrupt", "corrupt", "down", "join", "join", "rights", "rights", "stop", "stuck"),
    ),
    "replays": ("join", "kill", "kill", "moves", "stop", "stop"),
    "takeovers": ("join", "kill", "leaderless", "leaderless", "stop"),
}


class Faults:
    """Inflicts faults, and writes down what it did."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._rng = stage.rng
        self._kafka = stage.evidence.kafka
        self._service = stage.evidence.service
        self.of_logs = LogFaults(stage)
        self.kinds: Mapping[str, Callable[[], Awaitable[None]]] = {
            "broker": self._restart_broker,
            "crawls": self._slow_service_down,
            "cut": self._cut,
            "down": self._take_service_down,
            "elects": self._elect_coordinator,
            "fails": self._make_service_fail,
            "flaky": self._make_network_flaky,
            "freeze": self._freeze,
            "join": self._join,
            "kill": self._kill,
            "leaderless": self._take_leader,
            "leap": self._leap,
            "lost_answers": self._lose_answers,
            "moves": self._move_leaders,
            "slow": self._slow_down,
            "stop": self._stop,
            "stuck": self._fail_one_user,
            **self.of_logs.kinds,
        }

    async def inflict(self) -> None:
        """Each begins when it will, or soon after another: they overlap."""
        plan = self._stage.evidence.plan
        # A router that begins anew may find nothing but what is sent again.
        first, last = plan.undisturbed_s, plan.seconds + (_SENT_AGAIN_S if plan.routers else 0.0)
        if plan.within_s is not None:
            first = self._rng.uniform(first, plan.seconds)
            last = first + plan.within_s
        able = THEMES.get(plan.theme, (*self.kinds, *_OFTEN))
        kinds = [each for each in able if not plan.routers or each not in NOT_OF_RAW]
        befalls = (
            self._befall(self._rng.choice(kinds), self._rng.uniform(first, last))
            for _ in range(plan.faults)
        )
        await asyncio.gather(*befalls)

    async def _befall(self, kind: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.kinds[kind]()

    def _victim(self) -> Worker | None:
        return self._rng.choice(alive) if (alive := self._stage.alive) else None

    # -- workers

    async def _kill(self) -> None:
        if victim := self._victim():
            self._stage.note("kill", victim.name)
            self._stage.loop.kill(victim.name)
            self._stage.network.cut(victim.name)

    async def _stop(self) -> None:
        if victim := self._victim():
            self._stage.note("stop", victim.name, 10.0)
            victim.tell_to_stop()

    async def _freeze(self) -> None:
        """Stopped by a signal, or, with its machine, suspended."""
        if victim := self._victim():
            suspends = self._stage.evidence.plan.suspends
            seconds = self._rng.choice([7.0, 12.0] if suspends else [0.5, 2.0, 5.0, 7.0, 12.0])
            self._stage.note("freeze", victim.name, seconds)
            suspended = suspends or self._rng.random() < 1 / 2
            self._stage.loop.freeze(victim.name, seconds, suspended=suspended)
            if suspends or (suspended and self._rng.random() < 1 / 2):
                # Until its machine is told the time, it shows that of before.
                leaps = self._stage.loop.leaps
                leaps[victim.name] = leaps.get(victim.name, 0.0) - seconds

    async def _leap(self) -> None:
        """Its machine is told the time; of that nothing may come."""
        if victim := self._victim():
            self._stage.note("leap", victim.name)
            leap = self._rng.choice([-86_400.0, -3_600.0, -5.0, 5.0, 3_600.0, 86_400.0])
            self._stage.loop.leaps[victim.name] = leap

    async def _join(self) -> None:
        stage = self._stage
        roles = stage.evidence.plan.roles
        if len(stage.alive) < sum(roles.values()) + _SPARE and not stage.is_closed:
            stage.note("join")
            stage.start_worker(self._rng.choice(list(roles)))

    # -- network and brokers

    async def _cut(self) -> None:
        victim = self._victim()
        self._stage.note("cut")
        self._stage.network.cut(victim.name if victim and self._rng.random() < 1 / 2 else None)

    async def _make_network_flaky(self) -> None:
        seconds = self._rng.uniform(0.5, 5)
        self._stage.note("flaky", "", seconds)
        self._stage.weather.cut_every = self._rng.choice([20, 100])
        await asyncio.sleep(seconds)
        self._stage.weather.cut_every = 0

    async def _restart_broker(self) -> None:
        broker = self._rng.choice(self._kafka.brokers)
        seconds, loading = self._rng.uniform(0.5, 8), self._rng.uniform(0, 2)
        found = self._rng.uniform(0.05, 2)
        self._stage.note("broker", "", max(found, seconds) + loading)
        weather = self._stage.weather
        weather.down.add(address(broker))
        self._stage.network.cut(host=address(broker))
        # When the others have found that it is away.
        await asyncio.sleep(found)
        self._kafka.fail_over(broker, loading)
        await asyncio.sleep(max(0.0, seconds - found))
        if self._kafka.coordinator == broker:
            self._kafka.move_coordinator(broker, loading)
        self._kafka.fenced.discard(broker)
        weather.down.discard(address(broker))

    async def _move_leaders(self) -> None:
        """As when partitions are balanced: some go elsewhere, and clients find out by refusals."""
        able = [each for each in self._kafka.brokers if each not in self._kafka.fenced]
        between, known = self._rng.uniform(0, 0.5), self._rng.uniform(0, 0.5)
        self._stage.note("moves", "", between + known + 1)
        moved = [
            (partition, self._rng.choice(able))
            for partitions in self._kafka.topics.values()
            for partition in partitions
            if partition.leader is not None and self._rng.random() < 1 / 2
        ]
        for partition, _ in moved:
            partition.leader = None
        self._kafka.tell_arrived()
        await asyncio.sleep(between)
        for partition, leader in moved:
            partition.leader = leader
        if self._rng.random() < 1 / 2:
            self._kafka.move_coordinator(self._rng.choice(able), self._rng.uniform(0, 1))
        await asyncio.sleep(known)
        for partition, leader in moved:
            partition.led_by(leader)

    async def _elect_coordinator(self) -> None:
        """It goes elsewhere, or comes again, just after it gave partitions or as a worker wakes."""
        able = [each for each in self._kafka.brokers if each not in self._kafka.fenced]
        if self._rng.random() < 1 / 2:
            await self._until_some_wake()
        else:
            await self._until_partitions_are_given()
            await asyncio.sleep(self._rng.uniform(0, 0.05))
        # One that goes down again as soon as it is there is none for long.
        for _ in range(self._rng.choice([1, 3])):
            loading = self._rng.uniform(0.5, 3)
            self._stage.note("elects", "", loading)
            self._kafka.move_coordinator(self._rng.choice(able), loading)
            await asyncio.sleep(loading + self._rng.uniform(0, 0.1))

    async def _until_some_wake(self) -> None:
        """One, or all that one machine has: they were put out, and have still much to send."""
        self._service.crawls = True
        await asyncio.sleep(self._rng.uniform(0, 2))
        if alive := self._stage.alive:
            seconds = self._rng.uniform(6, 12)
            for victim in self._rng.choice([alive, [self._rng.choice(alive)]]):
                self._stage.note("freeze", victim.name, seconds)
                self._stage.loop.freeze(victim.name, seconds)
            await asyncio.sleep(seconds - self._rng.uniform(0, 0.1))
        self._service.crawls = False

    async def _until_partitions_are_given(self) -> None:
        group = self._kafka.group(GROUP)
        before, until = group.generation, self._stage.loop.now_s + _PATIENCE_S
        while self._stage.loop.now_s < until and (  # noqa: ASYNC110 - simulated time
            group.generation == before or group.state != "Stable"
        ):
            await asyncio.sleep(0.02)

    async def _take_leader(self) -> None:
        topics = self._kafka.topics
        able_to_lose = [USER_UPDATE, USER_UPDATE, EVENTS, DEAD_LETTERS, *_TABLES, *ALL]
        if self._stage.evidence.plan.theme == "letters":
            able_to_lose = [DEAD_LETTERS] * 3 + [EVENTS]
        names = [each.name for each in able_to_lose]
        name = self._rng.choice(names)
        partitions = [self._rng.choice(topics[name])]
        if name == DEAD_LETTERS.name:
            # Made by hand, with one replica: all of it was on one machine.
            partitions = [*topics[name]]
        # Those that another fault has taken come again when that is over.
        partitions = [each for each in partitions if each.leader is not None]
        # Also for longer than a client tries: what had one replica is on a machine that is gone.
        seconds = self._rng.choice([self._rng.uniform(0.5, 8)] * 3 + [_GIVEN_UP_AFTER_S + 10.0])
        self._stage.note("leaderless", "", seconds)
        for partition in partitions:
            partition.led_by(None)
        self._kafka.tell_arrived()
        later = self._rng.uniform(0, seconds)
        killed_after = self._rng.choice([0.0, later, later, seconds])
        await asyncio.sleep(killed_after)
        if killed_after < seconds:
            # Its machine had a worker too, or another goes meanwhile: who takes over does not find
            # all.
            await self._kill()
        await asyncio.sleep(seconds - killed_after)
        able = [each for each in self._kafka.brokers if each not in self._kafka.fenced]
        for partition in partitions:
            partition.led_by(self._rng.choice(able))

    async def _slow_down(self) -> None:
        """As with slow disks: what is read, read back or asked about a log takes its time.

        All brokers share one, as in a cloud; or one machine's is worn.
        """
        seconds = self._rng.uniform(0.5, 5)
        self._stage.note("slow", "", seconds)
        most_s = self._rng.choice([0.3, 3.0, 4.5])
        slow = self._rng.choice([[*self._kafka.brokers], [self._rng.choice(self._kafka.brokers)]])
        self._kafka.reads_take_s |= dict.fromkeys(slow, most_s)
        await asyncio.sleep(seconds)
        for broker in slow:
            self._kafka.reads_take_s.pop(broker, None)

    # -- service

    async def _make_service_fail(self) -> None:
        seconds = self._rng.uniform(0.5, 5)
        self._stage.note("fails", "", seconds)
        self._service.fails = self._rng.choice([0.1, 0.5])
        await asyncio.sleep(seconds)
        self._service.fails = 0.0

    async def _take_service_down(self) -> None:
        if self._stage.evidence.plan.theme == "dislikes":
            await self._until_a_letter()
        of_looks = self._rng.random() < _OF_LOOKS
        # While all else passes that is long enough to lose patience in.
        seconds = self._rng.uniform(0.5, 16 if of_looks else 8)
        self._stage.note("down", "", seconds)
        self._service.is_down, self._service.looks_are_down = not of_looks, of_looks
        await asyncio.sleep(seconds)
        self._service.is_down = self._service.looks_are_down = False

    async def _until_a_letter(self) -> None:
        """Then a lane has just lost all patience: for an outage the worst moment."""
        letters = self._kafka.topics[DEAD_LETTERS.name]
        until, before = self._stage.loop.now_s + _LETTER_S, [each.end for each in letters]
        while self._stage.loop.now_s < until and before == [each.end for each in letters]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)

    async def _fail_one_user(self) -> None:
        """The others go on, so that what ended is committed as runs beyond what has not."""
        seconds = self._rng.uniform(1, 8)
        self._stage.note("stuck", "", seconds)
        self._service.fails_for = self._stage.any_user()
        await asyncio.sleep(seconds)
        self._service.fails_for = None

    async def _slow_service_down(self) -> None:
        """It answers, and only just before its clients give up."""
        seconds = self._rng.uniform(1, 8)
        self._stage.note("crawls", "", seconds)
        self._service.crawls = True
        await asyncio.sleep(seconds)
        self._service.crawls = False

    async def _lose_answers(self) -> None:
        seconds = self._rng.uniform(0.5, 5)
        # An answer may still be lost that was asked for at the end.
        self._stage.note("lost_answers", "", seconds + TIMEOUT_S)
        self._service.loses_answers = 0.3
        await asyncio.sleep(seconds)
        self._service.loses_answers = 0.0
