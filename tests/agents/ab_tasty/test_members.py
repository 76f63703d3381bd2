"""Where it stands who is in an audience: in the partition that the change came from."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pytest

from agents.ab_tasty.calls import Member
from agents.ab_tasty.home_partitions import HomePartitions, Look
from agents.ab_tasty.members import Members
from agents.ab_tasty.refresh_progress import Done
from agents.ab_tasty.topics import AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS
from sandbox.kafka import Kafka
from streams.kafka.batch_writer import partition_of
from tests.agents.ab_tasty.factories import AT, NOW_MS, membership
from tests.agents.ab_tasty.simulated import ab_tasty, send, udc_sink
from tests.streams.cluster import create, read, settings
from tests.streams.records import source

PEOPLE = [str(number) for number in range(1, 21)]
COUNT = 4
OWN = 1
EVERYWHERE = frozenset(range(COUNT))

HOME = next(each for each in PEOPLE if partition_of(each.encode(), COUNT) == OWN)
MOVED = next(each for each in PEOPLE if partition_of(each.encode(), COUNT) != OWN)
TIDY = dict.fromkeys(range(COUNT), Done(partitions=COUNT, at_home=1))


@pytest.mark.kafka
async def test_members_are_kept_in_the_partition_of_their_changes_whatever_their_keys(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=AT.partition + 1)
    await create(to, (AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS))
    async with ab_tasty() as (_, url), udc_sink(url, to) as sink:
        await send(sink, *(membership(mpid=mpid) for mpid in PEOPLE))
    kept = await read(to, AB_TASTY_MEMBERS, len(PEOPLE))
    assert {record.partition for record in kept} == {AT.partition}
    assert [record.key for record in kept] == [f"{mpid}/31001".encode() for mpid in PEOPLE]


class Case(NamedTuple):
    """Who leaves, what is noted of the partitions, and those in which the leave must stand."""

    who: str
    noted: Mapping[int, Done]
    stands: Collection[int]
    identity: str = "mpid"


CASES = {
    "nothing is noted": Case(HOME, {}, EVERYWHERE),
    "all are at home everywhere": Case(HOME, TIDY, {OWN}),
    "one holds others too": Case(HOME, TIDY | {3: Done(partitions=COUNT)}, {OWN, 3}),
    "one was not read yet": Case(HOME, TIDY | {0: Done()}, {OWN, 0}),
    "it was read with fewer": Case(
        HOME, dict.fromkeys(range(2), Done(partitions=2, at_home=1)), EVERYWHERE
    ),
    "its changes come from another by now": Case(MOVED, TIDY, EVERYWHERE),
    "the visitor may be that of several users": Case(HOME, TIDY, EVERYWHERE, "user:customer_id"),
}


@pytest.mark.kafka
async def test_a_leave_is_written_wherever_the_member_may_stand_and_nowhere_else(
    kafka: Kafka, prefix: str
) -> None:
    to = settings(kafka, prefix, partitions=COUNT)
    await create(to, (AB_TASTY_MEMBERS,))
    for number, case in enumerate(CASES.values()):
        home = HomePartitions(case.identity)
        home.note(case.noted)
        members = Members(to, case.identity, home)
        async with members.session():
            left = Member(case.who, str(number), joined=False)
            await members.write(OWN, [left, Member(case.who, "of all", joined=True)], NOW_MS)
    expected = sum(len(case.stands) + 1 for case in CASES.values())
    stands = defaultdict[str, set[int]](set)
    for record in await read(to, AB_TASTY_MEMBERS, expected):
        assert record.key is not None
        audience = record.key.decode().partition("/")[2]
        assert (record.value is None) is (audience != "of all")
        stands[audience].add(record.partition)
    assert stands.pop("of all") == {OWN}
    assert {name: stands[str(at)] for at, name in enumerate(CASES)} == {
        name: set(case.stands) for name, case in CASES.items()
    }


@pytest.mark.parametrize(
    ("identity", "seen", "all_at_home"),
    [
        ("mpid", [], True),
        ("mpid", [(HOME, b"1 mpid")], True),
        ("mpid", [(HOME, b"1 mpid"), (MOVED, b"1 mpid")], False),
        ("mpid", [(MOVED, b"1 mpid"), (HOME, b"1 mpid")], False),
        ("mpid", [(MOVED, None), (HOME, b"1 mpid")], True),
        ("user:customer_id", [(HOME, b"1 user:customer_id")], False),
    ],
)
def test_a_partition_holds_only_its_own_when_nobody_in_it_is_at_home_elsewhere(
    identity: str, seen: Sequence[tuple[str, bytes | None]], all_at_home: bool
) -> None:
    look = Look(HomePartitions(identity), OWN, COUNT)
    for offset, (who, value) in enumerate(seen):
        look.see([source(value, offset, key=f"{who}/31001".encode())])
    assert look.all_at_home is all_at_home
