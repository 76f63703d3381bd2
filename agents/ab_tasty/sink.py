"""AB Tasty as a sink: the two modes and the client joined."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from agents.ab_tasty import reasons
from agents.ab_tasty.agreed_audiences import AgreedAudiences
from agents.ab_tasty.calls import Member, Post
from agents.ab_tasty.client import Client, with_key
from agents.ab_tasty.firehose import SUBSCRIPTION, Firehose
from agents.ab_tasty.mapping import NO_VISITOR, visitor_id
from agents.ab_tasty.members import Members
from agents.ab_tasty.membership_gap import MembershipGap
from agents.ab_tasty.refresh import Refresh, RefreshPolicy
from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.subscriptions import Subscriptions
from agents.ab_tasty.token import token_call
from agents.ab_tasty.topics import AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS, REFRESH_GROUP
from agents.ab_tasty.udc import Udc
from agents.learned_names import LearnedNames
from agents.record_filter import RecordFilter, settings_behind
from agents.registry import Destination
from models import frames
from models.audience import Audience
from models.audience_membership import MEMBERSHIPS, MembershipChanged
from models.record import Record
from streams import clocks
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import (
    Batch,
    Explains,
    Feed,
    LaneKey,
    Learns,
    Placement,
    Resends,
    Sink,
    Then,
)
from streams.http import Http
from streams.outcomes import Delivered, Dropped, Outcome, Rejected, RetryRecord
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP, Topic

# Another worker has just fixed another name: the rows are to be written again with that.
_OTHER_NAME = RetryRecord("other_name")


class AbTastySink(Sink[Post], Resends, Learns, Explains[Post]):
    """Memberships, and in mode `firehose` audiences, as posts."""

    destination = "ab-tasty"
    topics = (AUDIENCE_MEMBERSHIP,)
    limits: Mapping[str, int | None] = MappingProxyType({})
    """The mode sets them, once it is known."""
    recalls = frozenset({b"audience_changed"})
    behind: Mapping[str, str] = MappingProxyType(
        {
            **settings_behind(AbTastySettings),
            "no_visitor_id": "ABTASTY_IDENTITY and ABTASTY_NO_VISITOR_ID",
            "audience_unknown": "ABTASTY_SEGMENT_NAME_TEMPLATE",
            "leave_skipped": "ABTASTY_DELETE_STRATEGY",
            "invalid_record": "KAFKA_PREFIX",
            "visitor_id": "ABTASTY_IDENTITY",
            "audience_id": "ABTASTY_MODE",
            "refused_rows": "ABTASTY_IDENTITY and ABTASTY_SEGMENT_NAME_TEMPLATE",
            "too_large": "ABTASTY_BATCH_MAX_BYTES",
            "retries_exhausted": "ABTASTY_BASE_URL and ABTASTY_TIMEOUT_S",
        }
    )
    # A request a partition, of a thousand rows: with fewer, it takes what few have been admitted.
    admitted_in_a_turn = 500
    # No lane has more use for.
    admitted_ahead = Sink.most_records

    def __init__(
        self,
        settings: AbTastySettings,
        kafka: KafkaSettings | None = None,
        clock: Callable[[], float] = clocks.wall,
        refresh: RefreshPolicy = RefreshPolicy(),
    ) -> None:
        """Remembers, where `kafka` is None, only audiences it has seen itself, and no member."""
        self._clock = clock
        self._settings = settings
        self._names = LearnedNames()
        self._record_filter = RecordFilter(settings, self._names)
        self._agreed = AgreedAudiences(kafka)
        self._members = Members(kafka if settings.keeps_members else None, settings.identity)
        self._membership_gap = (
            MembershipGap(kafka, refresh) if kafka and not settings.keeps_members else None
        )
        self._subscriptions = Subscriptions()
        self._mode: Udc | Firehose = (
            Udc(settings, self._names, self._agreed)
            if settings.mode == "udc"
            else Firehose(settings, self._names, self._subscriptions)
        )
        self.refresh = (
            Refresh(
                kafka,
                settings.refresh_interval_days,
                settings.identity,
                self._place_again,
                self._agreed.is_disconnected,
                clock,
                refresh,
            )
            if kafka and settings.refreshes
            else None
        )
        self._client: Client | None = None
        # AB Tasty publishes no limit for any of these.
        self.limits = dict.fromkeys(self._mode.endpoints)

    @asynccontextmanager
    async def session(self, pacer: Pacer) -> AsyncIterator[None]:
        async with (
            self._agreed.session(),
            self._members.session(),
            Http.open(self._settings, pacer.may_send) as http,
        ):
            self._client = Client(self._settings, http, pacer)
            try:
                yield
            finally:
                await self._client.close()
                self._client = None

    def reader(self, topic: Topic) -> Callable[[bytes], Record]:
        return frames.reader(MembershipChanged, super().reader(topic))

    def place(self, record: Record, at: Placement, now_ms: int) -> LaneKey | Dropped | Rejected:  # noqa: ARG002 - the contract's signature
        if not isinstance(record, MEMBERSHIPS):
            self._names.learn(record)  # of a membership it learns nothing, as that may be old
        if (unwanted := self._record_filter.reason_against(record)) is not None:
            return unwanted
        if self.refresh and self.refresh.reads(at.partition) and (member := self._member(record)):
            self.refresh.changed(member.key)
        left = isinstance(record, MEMBERSHIPS) and record.change == "left"
        if left and self._settings.delete_strategy == "skip":
            return Dropped("leave_skipped")
        placed = self._mode.place(record, at)
        nobody = isinstance(placed, Rejected) and placed.reason == NO_VISITOR
        if nobody and self._settings.no_visitor_id == "drop":
            return Dropped(NO_VISITOR)
        return placed

    def _place_again(
        self, record: MembershipChanged, at: Placement
    ) -> LaneKey | Dropped | Rejected:
        """Places a member's row once more; the account was judged when they joined."""
        return self._record_filter.audience_reason(record) or self._mode.place(record, at)

    def fold(self, lane: LaneKey, waiting: Sequence[Record]) -> Batch[Post]:
        return self._mode.fold(lane, waiting)

    async def send(self, request: Post) -> Outcome | Then[Post]:
        assert self._client is not None, "`send` belongs inside `session`"
        send = self._client.send
        if request.endpoint == SUBSCRIPTION:
            outcome = await self._subscriptions.send(request, send)
            # A connect that is refused is its own dead letter, and holds no membership.
            if request.then and isinstance(outcome, Delivered | Rejected):
                return Then(request.then, request.then.endpoint)
            return outcome
        if isinstance(self._mode, Udc) and not await self._mode.settle(request):
            return _OTHER_NAME
        outcome = await send(request)
        if isinstance(outcome, Delivered):
            await self._members.write(request.partition, request.members, self._now_ms())
            joined = {member.audience_id for member in request.members if member.joined}
            await self._agreed.accept({each: request.names[each] for each in joined})
        return outcome

    async def on_dead_letter(self, record: Record, partition: int) -> None:
        """Forgets a member whose row AB Tasty refuses: it is not to be sent again."""
        if member := self._member(record):
            await self._members.write(partition, [replace(member, joined=False)], self._now_ms())

    async def resend(self, feed: Feed) -> None:
        if self._membership_gap:
            await self._membership_gap.run(feed)
        if self.refresh:
            await self.refresh.run(feed)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _member(self, record: Record) -> Member | None:
        if not isinstance(record, MEMBERSHIPS):
            return None
        visitor = visitor_id(record, self._settings.identity)
        if isinstance(visitor, Rejected):
            return None
        return Member(visitor, record.audience_id, record.change == "joined")

    def learn(self, audience: Audience) -> None:
        self._names.learn(audience)
        self._subscriptions.learn(audience)
        if self._record_filter.reason_against(audience) is None:
            self._agreed.learn(audience)

    def recall(self, record: Record, at: Placement) -> None:  # noqa: ARG002 - the contract's signature
        self._names.learn(record)

    def describe(self, request: Post) -> Mapping[str, Any]:
        while request.then:
            request = request.then  # the connect is shown as what its own record becomes
        body = with_key(request.body, self._settings)
        return {"method": "POST", "url": request.url, "body": body}

    def preparations(self, requests: Sequence[Post]) -> Sequence[Mapping[str, Any]]:
        if not requests or self._settings.auth_method != "oauth":
            return []
        return [token_call(self._settings)]


DESTINATION = Destination(
    "ab-tasty",
    AbTastySettings,
    AbTastySink,
    topics=AbTastySink.topics,
    port=6068,
    drops=reasons.DROPS,
    rejects=reasons.DEAD_LETTERS,
    keeps=(AB_TASTY_AUDIENCES, AB_TASTY_MEMBERS),
    groups=(REFRESH_GROUP,),
)
