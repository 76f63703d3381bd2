"""Sends calls in an order that no change of address can harm."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from agents.sailthru.addresses import Addresses
from agents.sailthru.calls import Call, EventCall, ListCall, PurchaseCall, UserCall
from agents.sailthru.client import Client
from agents.sailthru.errors import UNKNOWN_EFFECT, UNKNOWN_LIST
from agents.sailthru.identity import EmailChange
from agents.sailthru.lists import Lists
from agents.sailthru.var_names import Naming
from streams import metrics
from streams.delivery.rate_limit.limiter import Pacer
from streams.outcomes import Delivered, Outcome, Rejected, Transient

_MAX_RECORDED = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """A call, and the owner of its order: a user, or an audience for a call about a list."""

    owner: Hashable = field(repr=False)
    call: Call


class Sender:
    """Makes the list before its members join, and keeps events and changes of address apart."""

    def __init__(
        self,
        client: Client,
        pacer: Pacer,
        lists: Lists,
        addresses: Addresses,
        *,
        events_at_most_once: bool,
    ) -> None:
        self._client = client
        self._pacer = pacer
        self._lists = lists
        self._addresses = addresses
        self._events_at_most_once = events_at_most_once
        # Writes that Sailthru may not find yet, because its reads lag behind.
        self._recorded: OrderedDict[str, None] = OrderedDict()
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def send(self, request: Request) -> Outcome:
        match request.call:
            case UserCall():
                outcome = await self._send_user(request.owner, request.call)
            case EventCall():
                outcome = await self._send_event(request.owner, request.call)
            case PurchaseCall():
                outcome = await self._send_purchase(request.owner, request.call)
            case ListCall():
                return await self._lists.ensure(request.call.name)
        if isinstance(outcome, Delivered):
            _count(request.call.naming)
        return outcome

    async def _send_user(self, user: Hashable, call: UserCall) -> Outcome:
        for name in call.lists:
            outcome = await self._lists.ensure_for_member(name)
            if isinstance(outcome, Transient):
                # It is the list's endpoint that asks to wait, if any.
                return outcome.alone()
            if not isinstance(outcome, Delivered):
                return outcome
        if call.new_email:
            return await self._change_email(user, call, call.new_email)
        outcome = await self._client.post(call.endpoint, call.payload())
        if isinstance(outcome, Delivered):
            self._see(user, call)
        if outcome == UNKNOWN_LIST:
            self._lists.forget(call.lists)
        return outcome

    async def _change_email(self, user: Hashable, call: UserCall, new_email: str) -> Outcome:
        async with self._lock(user):
            outcome = await self._client.post(call.endpoint, call.payload())
            # Not before it is delivered: until then the old address is the one that works, and a
            # change that is tried again must be the same change. Should only its answer have got
            # lost, Sailthru merges an empty profile into the one that moved: the end is the same.
            if isinstance(outcome, Delivered):
                self._addresses.learn(user, EmailChange(call.id, new_email))
                self._addresses.see(user, new_email)
            return outcome

    async def _send_event(self, user: Hashable, call: EventCall) -> Outcome:
        async with self._lock(user):
            if call.key == "email":
                call = replace(call, id=self._addresses.present(user, call.id))
            outcome = await self._client.post(call.endpoint, call.payload())
            if isinstance(outcome, Delivered):
                self._see(user, call)
        if outcome in UNKNOWN_EFFECT and self._events_at_most_once:
            return Rejected("unknown_effect", "the answer got lost; it may have started a flow")
        return outcome

    async def _send_purchase(self, user: Hashable, call: PurchaseCall) -> Outcome:
        outcome = await self._record_purchase(user, call)
        if call.event is None:
            return outcome
        if not isinstance(outcome, Delivered):
            # The lane is the event's: it is another endpoint that asks to wait, if any.
            return outcome.alone() if isinstance(outcome, Transient) else outcome
        return await self._send_event(user, call.event)

    async def _record_purchase(self, user: Hashable, call: PurchaseCall) -> Outcome:
        """Looks first: nobody can take back a purchase that is recorded twice."""
        if call.purchase_id in self._recorded:
            return Delivered()
        await self._pacer.permit("purchase GET")
        found = await self._client.get(call.endpoint, call.lookup())
        if isinstance(found, Transient):
            return found.alone()
        if not isinstance(found, Rejected):
            return found
        if call.event:
            await self._pacer.permit(call.endpoint)  # the lane has brought one for the event
        async with self._lock(user):
            call = replace(call, id=self._addresses.present(user, call.id))
            outcome = await self._client.post(call.endpoint, call.payload())
            if isinstance(outcome, Delivered):
                self._see(user, call)
        if isinstance(outcome, Delivered):
            self._recorded[call.purchase_id] = None
            if len(self._recorded) > _MAX_RECORDED:
                self._recorded.popitem(last=False)
        if outcome in UNKNOWN_EFFECT and self._events_at_most_once:
            return Rejected("unknown_effect", "the answer got lost; it may have been recorded")
        return outcome

    def _see(self, user: Hashable, call: UserCall | EventCall | PurchaseCall) -> None:
        if call.key == "email":
            self._addresses.see(user, call.id)

    def _lock(self, user: Hashable) -> asyncio.Lock:
        """Keeps a user's events and the change of their address apart, each on its own lane."""
        return self._locks.setdefault(user, asyncio.Lock())


def _count(naming: Naming) -> None:
    counts = {
        "told_apart": naming.told_apart,
        "reserved": naming.reserved,
        "switch": naming.switches,
    }
    for why, count in counts.items():
        metrics.VAR_NAMES.labels(destination="sailthru", reason=why).inc(count)
