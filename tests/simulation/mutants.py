"""Mistakes put into the engine one by one: what the simulation can find, and how soon.

`python -m tests.simulation.mutants` copies the tree, makes one mistake, and tells stories until one
breaks a promise. Most were made in earnest once, here or in a prototype. `--write` keeps a table in
docs/simulation.md.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import click

ROOT = Path(__file__).parents[2]
_DOCUMENT = ROOT / "docs" / "simulation.md"
_BEGIN, _END = "<!-- mutants -->\n\n", "\n\n<!-- end of mutants -->"
_COPIED = ("agents", "models", "streams", "tests")


class Mutant(NamedTuple):
    """`old` stands once in `path`; with `new` in its place the engine is wrong as `name` says.

    `also` is another such place, where each of two guards stands in for the other.
    """

    name: str
    path: str
    old: str
    new: str
    also: tuple[str, str, str] | None = None

    @property
    def places(self) -> Sequence[tuple[str, str, str]]:
        first = self.path, self.old, self.new
        return [first, self.also] if self.also else [first]


_ADDED = "streams/engine/added_partitions.py"
_BUFFERED = "streams/kafka/buffered_records.py"
_CONSUMER = "streams/engine/consumer.py"
_ROUTER = "agents/router/processor.py"
_THREAD = "streams/engine/consumer_thread.py"
_ENDPOINT = "streams/delivery/sending/endpoint.py"

MUTANTS = (
    Mutant(
        "the highest offset that has ended is committed",
        "streams/engine/offset_tracker.py",
        "        return self._order[0] if self._order else self.position",
        "        return max((end for _, end in self._ended), default=self._order[0] "
        "if self._order else self.position)",
    ),
    Mutant(
        "what was fetched is committed",
        "streams/engine/offset_tracker.py",
        "        return self._order[0] if self._order else self.position",
        "        return self.position",
    ),
    Mutant(
        "the last commit before a revocation may be another's earlier one",
        "streams/engine/committer.py",
        "        async with self._lock:\n            sure",
        "        if self._lock.locked():\n"
        "            async with self._lock:\n"
        "                return True\n"
        "        async with self._lock:\n"
        "            sure",
    ),
    Mutant(
        "a revocation does not wait for what is in flight",
        _CONSUMER,
        "        self.stop_flow()\n        await self.drain()\n",
        "        self.stop_flow()\n        self._forget()\n",
    ),
    Mutant(
        "a takeover goes on after its revocation, and seeks in another generation",
        _CONSUMER,
        "            takeover.cancel()\n            await asyncio.wait({takeover})",
        "            await asyncio.sleep(0)",
        also=(
            _THREAD,
            "        if generation not in {None, consumer._coordinator.generation}:",
            "        if False:",
        ),
    ),
    Mutant(
        "what was fetched for an earlier assignment is taken",
        "streams/engine/consumer.py",
        "            if partition is not asked.get(tp):",
        "            if False:",
    ),
    Mutant(
        "partitions are open before their takeover",
        _CONSUMER,
        "        self.pause_partitions(self._get_active_partitions() - opened)",
        "        del opened",
    ),
    Mutant(
        "who was put out of the group commits as nobody",
        _THREAD,
        "if not 0 <= self._commits_in == coordinator.generation:",
        "if self._commits_in != coordinator.generation:",
    ),
    Mutant(
        "a commit is sent in a later generation than the one that it was asked for in",
        _THREAD,
        "if not 0 <= self._commits_in == coordinator.generation:",
        "if self._commits_in < 0:",
    ),
    Mutant(
        "a coordinator that still loads knows of no offsets",
        "streams/kafka/committed_offsets.py",
        "    _check(answer.error_code)\n",
        "",
    ),
    Mutant(
        "a heartbeat confirms membership after a silence",
        "streams/engine/group_lease.py",
        "        if held := self.is_held():\n            self.renew(asked_at)",
        "        held = True\n        self.renew(asked_at)",
    ),
    Mutant(
        "a frozen worker believes that it is still a member",
        "streams/engine/group_lease.py",
        "        return self.clock() - self._renewed_at < self._held_for",
        "        return self._renewed_at > 0",
    ),
    Mutant(
        "one partition without a leader ends the worker",
        "streams/kafka/log_bounds.py",
        "        if isinstance(answer, KafkaError):\n",
        "        if isinstance(answer, KafkaError):\n            raise answer\n",
    ),
    Mutant(
        "events do not wait for updates",
        "streams/delivery/ordering/update_barrier.py",
        "            if self._must_wait(item, lane):",
        "            if False:",
    ),
    Mutant(
        "an update that waits for its turn is waited for as one that fails",
        "streams/delivery/ordering/update_barrier.py",
        "        return max(item.queued_at, *since) + self._most_s",
        "        return item.queued_at + self._most_s",
    ),
    Mutant(
        "a partition of updates that has not started holds nobody up",
        "streams/delivery/ordering/update_barrier.py",
        "self._admitted.get(partition, 0) < end",
        "self._admitted.get(partition, end) < end",
    ),
    Mutant(
        "a record that comes again is sent again",
        "streams/delivery/ordering/deduplication.py",
        "        return self._ended.has(tp, id_)",
        "        return False",
    ),
    Mutant(
        "a dead letter's record ends before Kafka has the letter",
        "streams/delivery/completion.py",
        "            await self._dead_letters.write("
        "[self._letter(item, why) for item, why in refused])\n",
        "            import asyncio\n\n"
        "            letters = [self._letter(item, why) for item, why in refused]\n"
        "            self._late = asyncio.ensure_future(self._dead_letters.write(letters))\n",
    ),
    Mutant(
        "what is answered to one alone as a wrong key blocks all",
        "streams/delivery/sending/decision.py",
        "        case Misconfigured() if not standing.fails_by_itself:",
        "        case Misconfigured():",
    ),
    Mutant(
        "an outage uses up what a lane in quarantine has left",
        "streams/delivery/sending/decision.py",
        "    if not (is_spent and standing.fails_by_itself):",
        "    if not (standing.is_quarantined or (is_spent and standing.fails_by_itself)):",
    ),
    Mutant(
        "what fails at one endpoint is judged by what passes at another",
        "streams/delivery/sending/turn.py",
        "lane.record_failure(endpoint.name, endpoint.breaker.passed_sent_at)",
        "lane.record_failure(lane.key.endpoint, self._home(lane).breaker.passed_sent_at)",
    ),
    Mutant(
        "a lane has a turn while its next request waits for one",
        "streams/delivery/sending/turn.py",
        "        lane.next = batch\n",
        "        lane.next = batch\n        self._home(lane).ready(lane)\n",
    ),
    Mutant(
        "a lane goes on while its request waits to be tried again",
        "streams/delivery/sending/turn.py",
        "                return  # not before its pause is over\n",
        "                pass\n",
    ),
    Mutant(
        "lanes are not closed at a revocation",
        _ENDPOINT,
        "            lane.closed = True\n",
        "            pass\n",
    ),
    Mutant(
        "a lane that was delivered of some gets no other turn",
        _ENDPOINT,
        "        if lane:\n            self.ready(lane)\n        else:",
        "        if False:\n            self.ready(lane)\n        else:",
    ),
    Mutant(
        "a paused partition is not resumed",
        "streams/engine/consumer.py",
        "            self.resume_partitions({tp})",
        "            pass",
    ),
    Mutant(
        "a run beside a commit is read one too long",
        "streams/kafka/commit_metadata.py",
        "        runs.append((at + gap, at + gap + length))",
        "        runs.append((at + gap, at + gap + length + 1))",
    ),
    Mutant(
        "seconds of a suspended machine do not count",
        "streams/clocks.py",
        '_STILL_COUNTS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)',
        "_STILL_COUNTS = time.CLOCK_MONOTONIC",
    ),
    Mutant(
        "the lease on partitions goes by the wall clock",
        "streams/engine/group_lease.py",
        "clock: Callable[[], float] = clocks.monotonic",
        "clock: Callable[[], float] = clocks.wall",
    ),
    Mutant(
        "records that were deleted are passed in silence",
        "streams/engine/deleted_records.py",
        "        missing.inc(max(0, first - position))",
        "        del missing",
    ),
    Mutant(
        "runs of another log are believed",
        "streams/engine/deleted_records.py",
        "    return committed.ended if reaches <= there.end else ()",
        "    del reaches\n    return committed.ended",
    ),
    Mutant(
        "records of aborted transactions are read",
        "streams/settings.py",
        '        "read_committed",\n',
        '        "read_uncommitted",\n',
    ),
    Mutant(
        "a commit that is refused ends the worker",
        _THREAD,
        "            # Nothing is lost by it: what has ended is offered again.\n",
        "            raise\n",
    ),
    Mutant(
        "a raw message ends before Kafka has what became of it",
        _ROUTER,
        "            await self._write(output)\n            is_written = True\n",
        "            self._late = asyncio.ensure_future(self._write(output))\n"
        "            is_written = True\n",
    ),
    Mutant(
        "events are written before the updates that they count on",
        _ROUTER,
        "            for records in (output.updates, output.others):",
        "            for records in (output.others, output.updates):",
    ),
    Mutant(
        "an old message takes a user back whom the router does not remember",
        "streams/delivery/ordering/snapshot_order.py",
        "        if sent is None or sent.is_sure:",
        "        if True:",
    ),
    Mutant(
        "an old message fills in what another old one has made uncertain",
        "agents/router/snapshots.py",
        "            known[key] = _UNCERTAIN\n",
        "            known.pop(key, None)\n",
    ),
    Mutant(
        "a router believes what it is not sure of",
        "agents/router/snapshots.py",
        "    if is_older or not is_sure:\n",
        "    if is_older:\n",
    ),
    Mutant(
        "an error of one partition loses what was fetched of others",
        _BUFFERED,
        "                errors[tp] = error\n",
        "                records.clear()\n                errors[tp] = error\n",
    ),
    Mutant(
        "what stands before a batch that cannot be unpacked is lost",
        _BUFFERED,
        "        return found, error\n",
        "        return (), error\n",
    ),
    Mutant(
        "a router divides each topic by its own count",
        "streams/kafka/batch_writer.py",
        "    return dict.fromkeys(counts, min(counts.values()))",
        "    return counts",
    ),
    Mutant(
        "a group divides what not all of its topics have",
        "streams/engine/equal_counts.py",
        "    least = min((",
        "    least = max((",
    ),
    Mutant(
        "added partitions do not wait",
        _ADDED,
        "        return self._is_concerned and any(map(self._is_behind, self._known))",
        "        return False",
    ),
    Mutant(
        "old partitions end before all writers have heard of the added ones",
        _CONSUMER,
        "            if clocks.monotonic() - heard_at >= self.transport.policy.writers_hear_s:",
        "            if clocks.monotonic() >= heard_at:",
    ),
    Mutant(
        "what is deleted of added partitions before they are begun is passed in silence",
        _CONSUMER,
        "self.deleted_records.begin(tp, committed.get(tp, _ADDED), bounds)",
        "self.deleted_records.begin(tp, committed.get(tp, Progress(bounds.first)), bounds)",
    ),
    Mutant(
        "where a partition begins is offered once",
        "streams/engine/committer.py",
        "                or not (sure and partition.is_confirmed)",
        "                or not sure",
    ),
    Mutant(
        "a table's partition without a leader ends the worker",
        "streams/kafka/tables.py",
        "there = await log_bounds.look(consumer, unasked | behind, unavailable)",
        "there = await log_bounds.learn(consumer, unasked | behind, patience_s=0.0)",
    ),
    Mutant(
        "what users did before they moved is not read back",
        _ADDED,
        "            return {}\n",
        "            return {}\n        return {}\n",
    ),
    Mutant(
        "the next worker of an added partition does not know where its users were",
        _ADDED,
        "        if before.is_of_added(tp.partition):",
        "        if False:",
    ),
    Mutant(
        "a router is sure of the first message of a partition",
        _ROUTER,
        "        known = self._snapshots.of(partition.tp, taken_ms(sources[0].timestamp, now_ms))",
        "        begins_ms = taken_ms(sources[0].timestamp, now_ms) if sources[0].offset else 0\n"
        "        known = self._snapshots.of(partition.tp, begins_ms)",
    ),
)


def find_missing() -> Iterator[str]:
    """Mutants whose place in the code is no more, or is not one place."""
    for mutant in MUTANTS:
        for path, old, _ in mutant.places:
            count = (ROOT / path).read_text().count(old)
            if count != 1:
                yield f"{mutant.name}: {count} places in {path}"


def hunt(mutant: Mutant, most: int) -> int | None:
    """How many seeds it took to find a mutant; None when it survives `most`.

    Raises ClickException when the seed that found it breaks a promise without it.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name in _COPIED:
            shutil.copytree(
                ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(ROOT / "constraints.txt", folder)
        for path, old, new in mutant.places:
            mutated = Path(folder, path)
            mutated.write_text(mutated.read_text().replace(old, new))
        result = _simulate(folder, f"--seeds={most}", "--until-found")
    if not result["violations"]:
        return None
    seed: int = result["found"][0]
    if _simulate(str(ROOT), f"--seed={seed}")["violations"]:
        raise click.ClickException(f"seed {seed} breaks a promise without any mistake")
    return seed + 1


def _simulate(folder: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": folder, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        raise RuntimeError(done.stderr[-2000:])
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def read_table() -> dict[str, str]:
    """What docs/simulation.md says of each mutant: the seeds it took, or how many it survived."""
    _, table, _ = _split_document()
    rows = (line.strip("| ").rsplit(" | ", 1) for line in table.splitlines()[2:])
    return {row[0]: row[1] for row in rows}


def write_table(found: Mapping[str, str]) -> None:
    before, _, after = _split_document()
    rows = (f"| {mutant.name} | {found.get(mutant.name, 'not hunted')} |" for mutant in MUTANTS)
    table = "\n".join(["| mistake | seeds |", "|---|---|", *rows])
    _DOCUMENT.write_text(before + table + after)


def _split_document() -> tuple[str, str, str]:
    before, rest = _DOCUMENT.read_text().split(_BEGIN)
    table, after = rest.split(_END)
    return before + _BEGIN, table, _END + after


@click.command(help=__doc__)
@click.option("--most", default=1_000, show_default=True, help="Seeds after which one survives.")
@click.option("--only", default="", help="Mutants whose name holds this.")
@click.option("--jobs", default=1, show_default=True, help="Mutants to hunt at a time.")
@click.option("--write", is_flag=True, help="Write what comes of it into docs/simulation.md.")
def main(*, most: int, only: str, jobs: int, write: bool) -> None:
    if missing := list(find_missing()):
        raise click.ClickException("; ".join(missing))
    chosen = [mutant for mutant in MUTANTS if only in mutant.name]
    known, survivors = read_table(), 0
    with ThreadPoolExecutor(jobs) as pool:
        hunts = {pool.submit(hunt, mutant, most): mutant for mutant in chosen}
        for done in as_completed(hunts):
            name, seeds = hunts[done].name, done.result()
            survivors += seeds is None
            known[name] = f"survived {most}" if seeds is None else str(seeds)
            click.echo(json.dumps({"mutant": name, "seeds": seeds}))
            if write:
                write_table(known)
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
