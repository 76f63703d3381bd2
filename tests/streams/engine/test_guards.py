"""The private ground we stand on in Faust, mode and aiokafka: an upgrade that moves it fails here.

What that is stands in private_ground.py.
"""

import asyncio
import inspect
import math
from collections.abc import Callable
from typing import Any

import aiokafka.conn
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import OAuthAuthenticator
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import JoinGroupRequest
from faust.tables.recovery import Recovery
from faust.transport.consumer import ConsumerThread as AnyConsumerThread
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.services import ServiceTask

from streams import logins
from streams.engine import chunks, consumer
from streams.settings import KafkaSettings
from streams.topics import RAW
from tests.streams.engine.private_ground import CALLED, OURS, OVERRIDDEN, TASKS, Parameters
from tests.streams.engine.unstarted import router_app


def parameters(function: Callable[..., Any]) -> Parameters:
    # Its decorators keep what they wrap; a method compiled by Cython has none of this.
    return tuple(inspect.signature(inspect.unwrap(function)).parameters)


@pytest.mark.parametrize(("function", "expected"), OVERRIDDEN.values(), ids=OVERRIDDEN.keys())
def test_what_we_override_is_there_and_is_called_the_same_way(
    function: Callable[..., Any], expected: Parameters
) -> None:
    assert parameters(function) == expected


@pytest.mark.parametrize(("function", "expected"), CALLED.values(), ids=CALLED.keys())
def test_what_we_call_is_there_and_takes_the_same(
    function: Callable[..., Any], expected: Parameters
) -> None:
    assert parameters(function) == expected


@pytest.mark.parametrize(("ours", "theirs"), OURS)
def test_our_override_takes_what_the_one_below_it_takes(ours: type, theirs: type) -> None:
    for name, function in vars(ours).items():
        below = getattr(theirs, name, None)
        if not inspect.isfunction(function) or below is None or name == "__init__":
            continue
        mine, wanted = parameters(function), parameters(below)
        # A schema may name what it ignores `**_`.
        takes_any = any(
            each.kind is inspect.Parameter.VAR_KEYWORD
            for each in inspect.signature(inspect.unwrap(function)).parameters.values()
        )

        assert takes_any or len(mine) == len(wanted), name


def test_every_override_is_in_the_table() -> None:
    """So that what is overridden next is guarded too."""
    overridden = {
        f"{theirs.__name__}.{name}"
        for ours, theirs in OURS
        for name, function in vars(ours).items()
        if inspect.isfunction(function) and name != "__init__" and hasattr(theirs, name)
    }
    known = {name.replace("Scheduler.", "DefaultSchedulingStrategy.") for name in OVERRIDDEN}

    assert overridden == known


@pytest.mark.parametrize("name", TASKS)
def test_our_background_task_stands_in_place_of_fausts(name: str) -> None:
    assert isinstance(vars(driver.Consumer).get(name, getattr(driver.Consumer, name)), ServiceTask)
    assert isinstance(vars(consumer.Consumer)[name], ServiceTask)


def test_the_thread_calls_back_into_the_consumer_when_partitions_come_and_go() -> None:
    assert parameters(AnyConsumerThread.on_partitions_revoked) == ("self", "revoked")
    assert parameters(AnyConsumerThread.on_partitions_assigned) == (
        "self",
        "assigned",
        "generation_id",
    )


async def test_a_consumer_has_the_state_that_ours_reads_and_writes() -> None:
    made = router_app()
    ours: Any = made.consumer

    assert isinstance(ours, consumer.Consumer)
    assert ours.flow_active is True
    assert ours.should_stop is False
    assert ours._paused_partitions == set()
    assert ours._read_offset == {}
    assert isinstance(ours.scheduler, chunks.ChunkScheduler)
    assert isinstance(made.producer, consumer.Producer)
    assert made.producer._producer is None
    assert made.rebalancing in (True, False)
    assert isinstance(made.consumer_generation_id, int)


async def test_aiokafka_takes_our_consumer_settings() -> None:
    ours: Any = router_app().consumer
    ours.transport.kafka = KafkaSettings(group_instance_id="router-7")
    made = ours._thread._create_worker_consumer(ours.transport)

    assert made._group_id == "mparticle-streams-router"
    assert made._group_instance_id == "router-7"
    assert made._enable_auto_commit is False
    [divides] = made._partition_assignment_strategy
    assert issubclass(divides, RangePartitionAssignor)
    assert made._max_poll_interval_ms > 365 * 24 * 3600 * 1000
    assert hasattr(made, "_coordinator")
    assert hasattr(made, "_client")
    assert made._isolation_level == "read_committed"
    assert made._subscription.subscription is None
    assert made._fetcher is None
    await made.stop()


async def test_aiokafkas_fetcher_has_what_a_stop_needs() -> None:
    made = Fetcher(AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), SubscriptionState())

    assert made._fetch_task.done() is False
    await asyncio.sleep(0)
    await made.close()


async def test_aiokafkas_fetcher_has_what_each_partition_is_taken_from() -> None:
    subscriptions = SubscriptionState()
    made = Fetcher(AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), subscriptions)
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    error, result = (
        FetchError(error=KafkaError(), backoff=0),
        FetchResult(
            TopicPartition(RAW.name, 0), assignment=None, partition_records=iter(()), backoff=0
        ),
    )

    assert (made._records, made._closed, made._wait_consume_future) == ({}, False, None)
    assert isinstance(error._error, KafkaError)
    assert [*result._partition_records] == []
    assert subscriptions.reassignment_in_progress is True
    assert consumer._fetcher is None
    assert isinstance(consumer._subscription, SubscriptionState)
    await made.close()
    await consumer.stop()


async def test_the_web_server_has_what_the_door_needs() -> None:
    pages: Any = router_app().web

    assert pages._runner is not None
    assert "_request_count" in RequestHandler.__slots__
    assert "_loop" in BaseProtocol.__slots__


async def test_aiokafkas_coordinator_has_what_a_stop_and_a_refused_join_need() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    made = GroupCoordinator(client, SubscriptionState())

    assert parameters(made._push_error_to_user) == ("exc",)
    assert (made._closing.done(), made._coordination_task.done()) == (False, False)
    assert (made.generation, made.member_id, made.coordinator_id) == (-1, "", None)
    await made.close()
    await client.close()


async def test_aiokafka_takes_our_producer_settings_and_is_idempotent() -> None:
    made: Any = router_app().producer
    producer = made._new_producer()

    assert producer._txn_manager is not None
    assert producer._sender._acks == -1
    # It never gives a batch up.
    assert producer._message_accumulator._batch_ttl == math.inf
    await producer.stop()


async def test_a_connection_has_the_login_that_ours_renews() -> None:
    logins.renew()
    made: Any = logins.Connection("127.0.0.1", 1, sasl_plain_username="u", sasl_plain_password="p")

    assert aiokafka.conn.AIOKafkaConnection is logins.Connection
    assert (made._sasl_plain_username, made._sasl_plain_password) == ("u", "p")
    assert made._sasl_oauth_token_provider is None
    # Of those that a client keeps it is what tells it of their end.
    assert made._on_close_cb is None


async def test_a_connection_gives_up_after_its_time_and_a_join_knows_its_own() -> None:
    made: Any = logins.Connection("127.0.0.1", 1, request_timeout_ms=2_000)
    join: Any = JoinGroupRequest("group", 1_000, 60_000, "", "", "consumer", [])

    assert made._request_timeout == 2
    assert join._rebalance_timeout == 60_000


def test_a_login_by_token_knows_whether_it_has_sent_one() -> None:
    assert OAuthAuthenticator(sasl_oauth_token_provider=None)._token_sent is False


def test_faust_gives_a_takeover_all_the_time_it_needs() -> None:
    """When this time is over it ends its own task and goes on without one, in silence.

    A Kafka that is away may be away for longer than minutes.
    """
    assert router_app().conf.broker_request_timeout > 24 * 3600


async def test_faust_opens_nothing_of_an_assignment_that_is_not_taken_over() -> None:
    """It lets the flow go on beside the rebalance, maybe after the next has begun.

    And before that it opens all that is assigned, whatever of it may be fetched.
    """
    made: Any = router_app()
    here = TP(RAW.name, 0)
    recovery = Recovery(made, made.tables)
    made.consumer.assignment = lambda: {here}
    made.consumer.stop_flow()
    flows = asyncio.Event()

    async def started() -> None:
        flows.set()

    made._fetcher.maybe_start = started
    takeover: Any = Recovery._restart_recovery
    taking_over = asyncio.create_task(takeover.fun(recovery))
    recovery._generation_id = made.consumer_generation_id
    recovery.signal_recovery_start.set()
    async with asyncio.timeout(60):
        await flows.wait()
    taking_over.cancel()

    assert made.consumer._get_active_partitions() == set()
