"""What streams/ overrides or calls of Faust, mode and aiokafka although it is private.

Or whose exact call it depends on. Each name stands beside the parameters that it takes.
"""

from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.admin import DescribeGroupsRequest_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.protocol.metadata import MetadataRequest_v5
from aiokafka.protocol.offset import OffsetRequest
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import ConsumerMessage
from faust.web.drivers import aiohttp as aiohttp_driver

from streams import logins, oauth
from streams.engine import chunks, consumer, consumer_thread, equal_counts
from streams.engine.refusals import MissingTopicsError
from streams.kafka import consumers, granted_rights, static_members
from streams.worker import app, run, web

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
    "Fetcher._create_fetch_waiter": (Fetcher._create_fetch_waiter, ("self",)),
    "Fetcher._notify": (Fetcher._notify, ("self", "future")),
    "FetchResult.check_assignment": (FetchResult.check_assignment, ("self", "tp")),
    "FetchResult._update_position": (FetchResult._update_position, ("self",)),
    "SubscriptionState.fetch_context": (SubscriptionState.fetch_context, ("self",)),
    "SubscriptionState.is_assigned": (SubscriptionState.is_assigned, ("self", "tp")),
    "SubscriptionState.wait_for_assignment": (SubscriptionState.wait_for_assignment, ("self",)),
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
    (equal_counts.EqualRanges, RangePartitionAssignor),
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
