"""The private ground we stand on in Faust, mode and aiokafka: an upgrade that moves it fails here.

Each line is a name that streams/ overrides or calls although it is private, or whose exact call we
depend on.
"""

import asyncio
import inspect
import math
from collections.abc import Callable
from typing import Any

import aiokafka.conn
import faust
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.admin import DescribeGroupsRequest_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.offset import OffsetRequest
from faust.tables.recovery import Recovery
from faust.transport.consumer import ConsumerThread as AnyConsumerThread
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP, ConsumerMessage
from faust.web.drivers import aiohttp as aiohttp_driver
from mode.services import ServiceTask

from streams import logins, oauth
from streams.engine import chunks, consumer, consumer_thread
from streams.engine.refusals import MissingTopicsError
from streams.kafka import consumers, granted_rights, static_members
from streams.settings import KafkaSettings
from streams.topics import RAW
from streams.worker import app, run, web
from tests.streams.engine.unstarted import router_app

Parameters = tuple[str, ...]

OVERRIDDEN: dict[str, tuple[Any, Parameters]] = {
    "Consumer.getmany": (driver.Consumer.getmany, ("self", "timeout")),
    "Consumer.perform_seek": (driver.Consumer.perform_seek, ("self",)),
    "Consumer.on_partitions_assigned": (
        driver.Consumer.on_partitions_assigned,
        ("self", "assigned", "generation_id"),
    ),
    "Consumer.on_partitions_revoked": (driver.Consumer.on_partitions_revoked, ("self", "revoked")),
    "Consumer.commit": (driver.Consumer.commit, ("self", "topics", "start_new_transaction")),
    "Consumer._commit": (driver.Consumer._commit, ("self", "offsets")),
    "Consumer.commit_and_end_transactions": (
        driver.Consumer.commit_and_end_transactions,
        ("self",),
    ),
    "Consumer._add_gap": (
        driver.Consumer._add_gap,
        ("self", "tp", "offset_from", "offset_to"),
    ),
    "Consumer._new_consumer_thread": (driver.Consumer._new_consumer_thread, ("self",)),
    "Producer._new_producer": (driver.Producer._new_producer, ("self", "transactional_id")),
    "Consumer.on_start": (driver.Consumer.on_start, ("self",)),
    "Consumer.on_buffer_drop": (driver.Consumer.on_buffer_drop, ("self", "tp")),
    "AIOKafkaConsumer.stop": (AIOKafkaConsumer.stop, ("self",)),
    "AIOKafkaConsumerThread.__post_init__": (
        driver.AIOKafkaConsumerThread.__post_init__,
        ("self",),
    ),
    "App._new_web": (faust.App._new_web, ("self",)),
    "Web.start_server": (aiohttp_driver.Web.start_server, ("self",)),
    "Web.stop_server": (aiohttp_driver.Web.stop_server, ("self",)),
    "Worker._schedule_shutdown": (faust.Worker._schedule_shutdown, ("self", "signal")),
    "Worker.crash": (faust.Worker.crash, ("self", "reason")),
    "AIOKafkaConsumerThread.on_start": (driver.AIOKafkaConsumerThread.on_start, ("self",)),
    "AIOKafkaConsumerThread.on_thread_stop": (
        driver.AIOKafkaConsumerThread.on_thread_stop,
        ("self",),
    ),
    "AIOKafkaConsumerThread._create_worker_consumer": (
        driver.AIOKafkaConsumerThread._create_worker_consumer,
        ("self", "transport"),
    ),
    "Producer._settings_default": (driver.Producer._settings_default, ("self",)),
    "Producer._settings_auth": (driver.Producer._settings_auth, ("self",)),
    "Scheduler.iterate": (DefaultSchedulingStrategy.iterate, ("self", "records")),
    "Schema.compile": (
        faust.Schema.compile,
        ("self", "app", "on_key_decode_error", "on_value_decode_error", "default_propagate"),
    ),
    "App._create_directories": (faust.App._create_directories, ("self",)),
    "Worker._setup_logging": (faust.Worker._setup_logging, ("self",)),
    "Worker.execute_from_commandline": (faust.Worker.execute_from_commandline, ("self",)),
    "AIOKafkaConnection._do_version_lookup": (AIOKafkaConnection._do_version_lookup, ("self",)),
    "AIOKafkaConnection.connect": (AIOKafkaConnection.connect, ("self",)),
    "AIOKafkaConnection.send": (AIOKafkaConnection.send, ("self", "request", "expect_response")),
    "AIOKafkaConnection.close": (AIOKafkaConnection.close, ("self", "reason", "exc")),
    "AIOKafkaConnection.authenticator_plain": (AIOKafkaConnection.authenticator_plain, ("self",)),
    "AIOKafkaConnection.authenticator_scram": (AIOKafkaConnection.authenticator_scram, ("self",)),
    "AIOKafkaConnection.authenticator_oauth": (AIOKafkaConnection.authenticator_oauth, ("self",)),
    "OAuthAuthenticator.step": (OAuthAuthenticator.step, ("self", "payload")),
    "AbstractTokenProvider.token": (AbstractTokenProvider.token, ("self",)),
    "AbstractTokenProvider.extensions": (AbstractTokenProvider.extensions, ("self",)),
    "Request.build": (Request.build, ("self", "request_struct_class")),
}

CALLED: dict[str, tuple[Any, Parameters]] = {
    "AIOKafkaAdminClient._send_request": (
        AIOKafkaAdminClient._send_request,
        ("self", "request", "node_id"),
    ),
    "Consumer._getmany": (driver.Consumer._getmany, ("self", "active_partitions", "timeout")),
    "Consumer._get_active_partitions": (driver.Consumer._get_active_partitions, ("self",)),
    "GroupCoordinator._do_heartbeat": (GroupCoordinator._do_heartbeat, ("self",)),
    "Consumer.pause_partitions": (driver.Consumer.pause_partitions, ("self", "tps")),
    "Consumer.resume_partitions": (driver.Consumer.resume_partitions, ("self", "tps")),
    "Consumer.stop_flow": (driver.Consumer.stop_flow, ("self",)),
    "ConsumerThread._ensure_consumer": (
        driver.AIOKafkaConsumerThread._ensure_consumer,
        ("self",),
    ),
    "ConsumerThread._fetch_records": (
        driver.AIOKafkaConsumerThread._fetch_records,
        ("self", "consumer", "active_partitions", "timeout", "max_records"),
    ),
    "AIOKafkaClient.send": (AIOKafkaClient.send, ("self", "node_id", "request", "group")),
    "AIOKafkaClient._metadata_update": (
        AIOKafkaClient._metadata_update,
        ("self", "cluster_metadata", "topics"),
    ),
    "GroupCoordinator.request_rejoin": (GroupCoordinator.request_rejoin, ("self",)),
    "AIOKafkaProducer.send": (
        AIOKafkaProducer.send,
        ("self", "topic", "value", "key", "partition", "timestamp_ms", "headers"),
    ),
    "AIOKafkaProducer.send_batch": (
        AIOKafkaProducer.send_batch,
        ("self", "batch", "topic", "partition"),
    ),
    "AIOKafkaClient.force_metadata_update": (AIOKafkaClient.force_metadata_update, ("self",)),
    "ClusterMetadata.leader_for_partition": (
        ClusterMetadata.leader_for_partition,
        ("self", "partition"),
    ),
    "OffsetRequest": (OffsetRequest.__init__, ("self", "replica_id", "isolation_level", "topics")),
    "ensure_aiokafka_TP": (driver.ensure_aiokafka_TP, ("tp",)),
    "ConsumerMessage": (
        ConsumerMessage.__init__,
        (
            "self",
            "topic",
            "partition",
            "offset",
            "timestamp",
            "timestamp_type",
            "headers",
            "key",
            "value",
            "checksum",
            "serialized_key_size",
            "serialized_value_size",
            "tp",
            "time_in",
            "time_out",
            "time_total",
            "generation_id",
        ),
    ),
    "App.create_event": (faust.App.create_event, ("self", "key", "value", "headers", "message")),
    "GroupCoordinator._send_req": (GroupCoordinator._send_req, ("self", "request")),
    "GroupCoordinator.ensure_coordinator_known": (
        GroupCoordinator.ensure_coordinator_known,
        ("self",),
    ),
    "GroupCoordinator._perform_assignment": (
        GroupCoordinator._perform_assignment,
        ("self", "response"),
    ),
    "ClusterMetadata.partitions_for_topic": (
        ClusterMetadata.partitions_for_topic,
        ("self", "topic"),
    ),
    "GroupCoordinator.close": (GroupCoordinator.close, ("self",)),
    "GroupCoordinator._do_commit_offsets": (
        GroupCoordinator._do_commit_offsets,
        ("self", "assignment", "offsets"),
    ),
    "GroupCoordinator.reset_generation": (GroupCoordinator.reset_generation, ("self",)),
    "LeaveGroupRequest": (LeaveGroupRequest.__init__, ("self", "group", "member_id")),
    "GroupCoordinator.coordinator_dead": (GroupCoordinator.coordinator_dead, ("self",)),
    "AIOKafkaConsumer.commit": (AIOKafkaConsumer.commit, ("self", "offsets")),
    "AIOKafkaConsumer.seek": (AIOKafkaConsumer.seek, ("self", "partition", "offset")),
    "BatchBuilder.append": (
        BatchBuilder.append,
        ("self", "timestamp", "key", "value", "headers"),
    ),
    "AIOKafkaProducer.create_batch": (AIOKafkaProducer.create_batch, ("self",)),
    "AIOKafkaProducer.partitions_for": (AIOKafkaProducer.partitions_for, ("self", "topic")),
}

OURS = [
    (consumer.Consumer, driver.Consumer),
    (consumer_thread.ConsumerThread, driver.AIOKafkaConsumerThread),
    (consumer.Producer, driver.Producer),
    (consumer.Transport, driver.Transport),
    (chunks.ChunkScheduler, DefaultSchedulingStrategy),
    (chunks.ChunkSchema, faust.Schema),
    (app.App, faust.App),
    (run.Worker, faust.Worker),
    (web.Web, aiohttp_driver.Web),
    (consumers.Consumer, AIOKafkaConsumer),
    (logins.Connection, AIOKafkaConnection),
    (MissingTopicsError, KafkaError),
    (logins._Bearer, OAuthAuthenticator),
    (oauth.Tokens, AbstractTokenProvider),
    (oauth.TokenError, KafkaError),
    (granted_rights._AskTopics, Request),
    (granted_rights._AskGroup, Request),
    (granted_rights._Metadata, MetadataRequest_v5),
    (granted_rights._MetadataResponse, Response),
    (granted_rights._Groups, DescribeGroupsRequest_v3),
    (static_members._Ask, Request),
    (static_members._Remove, Request),
    (static_members._Describe, RequestStruct),
    (static_members._Leave, RequestStruct),
    (static_members._DescribeResponse, Response),
    (static_members._LeaveResponse, Response),
]
TASKS = ("_commit_handler", "_commit_livelock_detector")


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
    assert made._partition_assignment_strategy == [RangePartitionAssignor]
    assert made._max_poll_interval_ms > 365 * 24 * 3600 * 1000
    assert hasattr(made, "_coordinator")
    assert hasattr(made, "_client")
    assert made._subscription.subscription is None
    assert made._fetcher is None
    await made.stop()


async def test_aiokafkas_fetcher_has_what_a_stop_needs() -> None:
    made = Fetcher(AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), SubscriptionState())

    assert made._fetch_task.done() is False
    await asyncio.sleep(0)
    await made.close()


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
