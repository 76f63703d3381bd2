"""The Sailthru destination: how records group, fold and are sent."""

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeGuard

from agents.learned_names import LearnedNames
from agents.patterns import patterns
from agents.record_filter import RecordFilter, settings_behind
from agents.registry import Destination
from agents.sailthru import identity, mapping, reasons
from agents.sailthru.addresses import Addresses
from agents.sailthru.attribute_filter import AttributeFilter
from agents.sailthru.calls import ListCall, UserCall
from agents.sailthru.client import Client
from agents.sailthru.event_filter import EventFilter
from agents.sailthru.explain import Shown
from agents.sailthru.identity import EmailChange, Whom
from agents.sailthru.list_names import ListNames
from agents.sailthru.list_owner import ListWanted
from agents.sailthru.list_state import ListPolicy
from agents.sailthru.lists import Lists
from agents.sailthru.options import Options
from agents.sailthru.purchases import UnusableError, is_purchase
from agents.sailthru.sender import RecordedPurchases, Request, Sender
from agents.sailthru.settings import SailthruSettings
from agents.sailthru.topics import FILL, SAILTHRU_AUDIENCES, SAILTHRU_LISTS
from agents.sailthru.var_book import VarBook
from agents.sailthru.var_names import VarNames
from models.audience import Audience
from models.audience_membership import AudienceChanged, MembershipChanged
from models.event import Event
from models.record import Record
from models.user_update import AttributesChanged, IdentitiesChanged
from streams import metrics
from streams.delivery.rate_limit.limiter import Pacer
from streams.delivery.sink import (
    Batch,
    Explains,
    Feed,
    LaneKey,
    Learns,
    Placement,
    Prepares,
    Resends,
    Sink,
    Then,
)
from streams.http import Http
from streams.outcomes import Dropped, Outcome, Rejected
from streams.settings import KafkaSettings
from streams.topics import (
    AUDIENCE_MEMBERSHIP,
    EVENTS,
    USER_UPDATE,
)

_DAY_MS = 24 * 60 * 60 * 1000
_NO_LIST_NAME = Rejected(
    "no_audience_name", "SAILTHRU_LIST_NAME_TEMPLATE needs the audience's name", blames="account"
)


class SailthruSink(Sink[Request], Prepares, Resends, Learns, Explains[Request]):
    """Updates and memberships of a user become profile changes, events go one by one."""

    destination = "sailthru"
    topics = (USER_UPDATE, EVENTS, AUDIENCE_MEMBERSHIP)
    # For the whole account; api-evangelist/sailthru rate-limits/.
    limits: Mapping[str, int | None] = MappingProxyType(
        {
            "user": 18_000,
            "event": 2_400,
            "list": 2_400,
            "list GET": 18_000,
            "purchase": 2_400,
            "purchase GET": 18_000,
        }
    )
    # 300 requests a second, each of which takes several turns.
    admitted_in_a_turn = 20
    recalls = frozenset({b"identities_changed", b"audience_changed"})
    behind: Mapping[str, str] = MappingProxyType(
        {
            **settings_behind(SailthruSettings),
            "attribute_not_allowed": "SAILTHRU_ATTRIBUTES_ALLOW",
            "attribute_denied": "SAILTHRU_ATTRIBUTES_DENY",
            "event_not_allowed": "SAILTHRU_EVENTS_ALLOW",
            "event_kind_not_named": "SAILTHRU_EVENTS_ALLOW",
            "event_denied": "SAILTHRU_EVENTS_DENY",
            "too_old": "SAILTHRU_EVENT_MAX_AGE_DAYS",
            "identity_not_used": "SAILTHRU_EXTID_FROM and SAILTHRU_KEYS_FROM",
            "no_identity": "SAILTHRU_IDENTITY_KEY and SAILTHRU_NO_IDENTITY",
            "no_audience_name": "SAILTHRU_LIST_NAME_TEMPLATE",
            "invalid_record": "KAFKA_PREFIX",
            "invalid_email": "SAILTHRU_IDENTITY_KEY",
            "key_conflict": "SAILTHRU_KEYS_FROM",
            "bad_request": "SAILTHRU_IDENTITY_KEY",
            "incomplete_purchase": "SAILTHRU_PRODUCT_URL_TEMPLATE and SAILTHRU_PURCHASES",
            "refused": "SAILTHRU_API_KEY and SAILTHRU_LIST_NAME_TEMPLATE",
            "too_many_lists": "SAILTHRU_AUDIENCES_ALLOW and SAILTHRU_LIST_NAME_TEMPLATE",
            "too_large": "SAILTHRU_ATTRIBUTES_DENY and SAILTHRU_EVENTS_DENY",
            "bad_text": "SAILTHRU_EVENTS_DENY",
            "invalid_time": "SAILTHRU_EVENTS_DENY",
            "unknown_effect": "SAILTHRU_EVENT_DELIVERY_GUARANTEE and SAILTHRU_TIMEOUT_S",
            "retries_exhausted": "SAILTHRU_BASE_URL and SAILTHRU_TIMEOUT_S",
        }
    )

    def __init__(
        self,
        settings: SailthruSettings,
        kafka: KafkaSettings | None = None,
        lists: ListPolicy = ListPolicy(),
    ) -> None:
        """Agrees with no other worker on who makes a list where `kafka` is None."""
        self._settings = settings
        self.rate_limit_share = settings.rate_limit_share
        self._options = Options(
            settings.identity_keys,
            settings.extid_from,
            settings.list_name_template,
            settings.profile_objects_as,
            settings.event_objects_as,
            settings.product_url_template,
            VarNames(settings.given_vars),
            settings.further_keys,
        )
        self._var_book = VarBook(self._options.var_names)
        for verdict in ("attribute_not_allowed", "attribute_denied"):
            # The series begins at 0, or a board shows no data where all is well.
            metrics.ATTRIBUTES_LEFT_OUT.labels(self.destination, verdict)
        self._event_max_age_ms = settings.event_max_age_days * _DAY_MS
        # The filter asks for what an audience is called now; a list may keep its first name, which
        # no audience that is left out may take.
        self._newest_names = LearnedNames()
        self._record_filter = RecordFilter(settings, self._newest_names)
        self._attributes = AttributeFilter(settings.attributes_allow, settings.attributes_deny)
        self._event_filter = EventFilter(
            patterns(settings.events_allow), patterns(settings.events_deny)
        )
        self._no_identity: Dropped | Rejected = Dropped("no_identity")
        if settings.no_identity == "dead_letter":
            usable = " or ".join(settings.identity_keys)
            self._no_identity = Rejected("no_identity", f"no usable {usable}", blames="account")
        self._addresses = Addresses(settings.email_change_max_users)
        self._recorded = RecordedPurchases()
        keeps_first = settings.list_on_rename == "keep"
        self._names = ListNames(self._options, kafka, keeps_first=keeps_first)
        self.lists = Lists(kafka, settings.timeout_s, policy=lists)
        self._shown = Shown(settings.base_url)

    @asynccontextmanager
    async def session(self, pacer: Pacer) -> AsyncIterator[None]:
        async with Http.open(self._settings, pacer.may_send) as http:
            client = Client(http, self._settings, pacer)
            self._sender = Sender(
                client,
                self.lists,
                self._addresses,
                self._recorded,
                events_at_most_once=self._settings.event_delivery_guarantee == "at_most_once",
            )
            async with self._names.session(), self.lists.session(client):
                yield

    def place(self, record: Record, at: Placement, now_ms: int) -> LaneKey | Dropped | Rejected:
        if isinstance(record, AudienceChanged | MembershipChanged):
            self._newest_names.learn(record)
        return self._record_filter.reason_against(record) or self._place(record, at, now_ms)

    def _place(self, record: Record, at: Placement, now_ms: int) -> LaneKey | Dropped | Rejected:
        if isinstance(record, AudienceChanged | MembershipChanged):
            self._names.learn(record)
        self._var_book.learn(
            self._attributes.filtered(record) if self._is_filtered(record) else record
        )
        if (reason := self._reason_against(record, now_ms)) is not None:
            return reason
        if isinstance(record, AudienceChanged):
            if self._names.is_settled(record) and self.lists.has(self._names.of(record)):
                return Dropped("list_is_there")
            return LaneKey("list", record.audience_id)
        if isinstance(record, Event):
            return self._event_lane(record, at.user)
        if identity.whom(record, self._options) is None:
            return self._no_identity
        if self._is_filtered(record):
            for verdict in self._attributes.left_out(record).values():
                metrics.ATTRIBUTES_LEFT_OUT.labels(self.destination, verdict).inc()
        return LaneKey("user", at.user)

    def _event_lane(self, event: Event, user: str) -> LaneKey | Dropped | Rejected:
        if self._is_bought(event):
            if email := identity.address(event):
                return self._purchase_lane(event, email, user)
            if not self._tells(event):
                return self._no_identity
        return LaneKey("event", user) if identity.whom(event, self._options) else self._no_identity

    def _purchase_lane(self, event: Event, email: str, user: str) -> LaneKey | Rejected:
        try:
            mapping.purchase_call(event, email, self._options)
        except UnusableError as error:
            return Rejected("incomplete_purchase", str(error))
        # Beside an event it keeps that one's order among the user's others.
        return LaneKey("event" if self._tells(event) else "purchase", user)

    def _is_bought(self, event: Event) -> bool:
        """Returns whether an event is to be recorded as a purchase."""
        return self._settings.purchases != "event" and is_purchase(event)

    def _tells(self, event: Event) -> bool:
        """Returns whether an event is to be told as such."""
        is_told = self._settings.purchases != "purchase" or not is_purchase(event)
        return is_told and self._event_filter.reason_against(event) is None

    def _reason_against(self, record: Record, now_ms: int) -> Dropped | Rejected | None:
        match record:
            case AudienceChanged(change="disconnected"):
                return Dropped("audience_disconnected")  # the list stays: campaigns may use it
            case AudienceChanged() | MembershipChanged():
                return None if self._names.of(record) else _NO_LIST_NAME
            case Event():
                is_bought = self._is_bought(record)
                against = (
                    self._event_filter.denied if is_bought else self._event_filter.reason_against
                )
                return against(record) or self._too_old(record, now_ms)
            case AttributesChanged():
                return self._attributes.reason_against(record)
            case IdentitiesChanged() if not identity.changes_keys(record, self._options):
                return Dropped("identity_not_used")
        return None

    def _too_old(self, event: Event, now_ms: int) -> Dropped | None:
        age_ms = now_ms - (event.counts_at_ms or event.received_at_ms)
        return Dropped("too_old") if age_ms > self._event_max_age_ms else None

    def preparation(self, record: Record) -> asyncio.Future[Any] | None:
        if not isinstance(record, AudienceChanged | MembershipChanged):
            return None
        if settling := self._names.missing(record):
            return settling
        name = self._names.of(record)
        return self.lists.missing(name) if name else None

    def fold(self, lane: LaneKey, waiting: Sequence[Record]) -> Batch[Request]:
        size = 1
        if isinstance(waiting[0], Event):
            request = self._event_request(lane.subject, waiting[0])
        elif isinstance(waiting[0], AudienceChanged | ListWanted):
            request = Request(lane.subject, self._list_call(waiting[0]))
        else:
            told = [self._addresses.completed(lane.subject, record) for record in waiting]
            call, size = mapping.fold(self._user_calls(lane.subject, told))
            request = Request(lane.subject, call)
        return Batch(request, size, request.endpoint)

    def _event_request(self, user: Hashable, event: Event) -> Request:
        told = None
        if self._tells(event):
            whom = self._whom(user, event)
            told = Request(user, mapping.event_call(event, whom, self._options))
        email = identity.address(event)
        if self._is_bought(event) and email is not None:
            email = self._addresses.present(user, email)
            purchase = mapping.purchase_call(event, email, self._options)
            if told is None or purchase.purchase_id not in self._recorded:
                return Request(user, purchase, then=told)
        assert told, "place() lets no event pass that says nothing"
        return told

    def _list_call(self, record: AudienceChanged | ListWanted) -> ListCall:
        name = record.name if isinstance(record, ListWanted) else self._names.of(record)
        assert name, "place() lets no audience without a name pass"
        return ListCall(name)

    def _user_calls(self, user: Hashable, waiting: Sequence[Record]) -> Iterator[UserCall]:
        changes = [
            (index, change)
            for index, record in enumerate(waiting)
            if (change := identity.email_change(record))
        ]
        for index, record in enumerate(waiting):
            coming = [change for position, change in changes if position > index]
            who = self._whom(user, record, coming)
            if isinstance(record, MembershipChanged):
                name = self._names.of(record)
                assert name, "place() lets no membership without a list pass"
                yield mapping.membership_call(record, name, who)
            elif self._is_filtered(record):
                call = mapping.user_call(self._attributes.filtered(record), who, self._options)
                yield replace(call, left_out=self._attributes.left_out(record))
            else:
                yield mapping.user_call(record, who, self._options)

    def _is_filtered(self, record: Record) -> TypeGuard[AttributesChanged]:
        """Returns whether a setting may leave some of its attributes out."""
        return isinstance(record, AttributesChanged) and not self._attributes.keeps_all

    def _whom(self, user: Hashable, record: Record, coming: Sequence[EmailChange] = ()) -> Whom:
        who = identity.whom(record, self._options)
        assert who, "place() lets no record without a key pass"
        if who.key != "email":
            return who
        if who.email:
            return self._addresses.change(user, EmailChange(who.id, who.email))
        return Whom(self._addresses.present(user, who.id, coming))

    async def send(self, request: Request) -> Outcome | Then[Request]:
        return await self._sender.send(request)

    def note_delivered(self, request: Request) -> None:
        """Takes note of what was delivered by a file, and not by `send`."""
        call = request.call
        if isinstance(call, UserCall) and call.key == "email":
            self._addresses.see(request.owner, call.id)

    async def on_dead_letter(self, record: Record, partition: int) -> None:  # noqa: ARG002 - the contract's signature
        if isinstance(record, ListWanted):
            await self.lists.give_up(record.name)

    async def resend(self, feed: Feed) -> None:
        """Sailthru forgets nothing, but has to be given the lists that users wait for."""
        await self.lists.run(feed)

    def learn(self, audience: Audience) -> None:
        self._newest_names.learn(audience)
        self._names.learn(audience)

    def recall(self, record: Record, at: Placement) -> None:
        self._newest_names.learn(record)
        if self._record_filter.reason_against(record) is not None:
            return  # it never went to Sailthru
        self._names.learn(record)
        record = self._addresses.completed(at.user, record)
        change = identity.email_change(record)
        who = identity.whom(record, self._options)
        if change is None or who is None or who.key != "email":
            return
        who = self._addresses.change(at.user, change)
        if who.email:
            self._addresses.learn(at.user, EmailChange(who.id, who.email))

    def describe(self, request: Request) -> Mapping[str, Any]:
        shown = self._shown.call(request.call)
        return {**shown, "then": self.describe(request.then)} if request.then else shown

    def preparations(self, requests: Sequence[Request]) -> Sequence[Mapping[str, Any]]:
        return self._shown.preparations([request.call for request in requests])


DESTINATION = Destination(
    "sailthru",
    SailthruSettings,
    SailthruSink,
    topics=SailthruSink.topics,
    port=6067,
    drops=reasons.DROPS,
    rejects=reasons.DEAD_LETTERS,
    keeps=(SAILTHRU_LISTS, SAILTHRU_AUDIENCES),
    commands={"fill": FILL},
)
