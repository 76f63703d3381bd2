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
from streams.delivery.sink import Then
from streams.outcomes import Delivered, Outcome, Rejected

_MAX_RECORDED = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """A call, and the owner of its order: a user, or an audience for a call about a list.

    What cannot be made twice is looked for first; `is_lacking` says that it was not found. `then`
    follows when this has passed.
    """

    owner: Hashable = field(repr=False)
    call: Call
    is_lacking: bool = False
    then: "Request | None" = None

    @property
    def endpoint(self) -> str:
        """The endpoint that it goes to next, as limits call it."""
        is_looked_for = isinstance(self.call, PurchaseCall | ListCall) and not self.is_lacking
        return f"{self.call.endpoint} GET" if is_looked_for else self.call.endpoint


def _next(request: Request) -> Then[Request]:
    return Then(request, request.endpoint)


class RecordedPurchases:
    """The last purchases that were recorded: Sailthru's reads lag behind its writes."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, purchase_id: str) -> bool:
        return purchase_id in self._ids

    def add(self, purchase_id: str) -> None:
        self._ids[purchase_id] = None
        if len(self._ids) > _MAX_RECORDED:
            self._ids.popitem(last=False)


class Sender:
    """Makes the list before its members join, and keeps events and changes of address apart."""

    def __init__(
        self,
        client: Client,
        lists: Lists,
        addresses: Addresses,
        recorded: RecordedPurchases,
        *,
        events_at_most_once: bool,
    ) -> None:
        self._client = client
        self._lists = lists
        self._addresses = addresses
        self._recorded = recorded
        self._events_at_most_once = events_at_most_once
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def send(self, request: Request) -> Outcome | Then[Request]:
        outcome = await self._call(request)
        if not isinstance(outcome, Delivered):
            return outcome
        if not isinstance(request.call, ListCall):
            _count(request.call.naming)
        return _next(request.then) if request.then else outcome

    async def _call(self, request: Request) -> Outcome | Then[Request]:
        match request.call:
            case UserCall():
                return await self._send_user(request, request.call)
            case EventCall():
                return await self._send_event(request.owner, request.call)
            case PurchaseCall() as call:
                if call.purchase_id in self._recorded:
                    return Delivered()  # which a look need not find yet
                if not request.is_lacking:
                    return await self._look_for_purchase(request, call)
                return await self._record_purchase(request.owner, call)
            case ListCall():
                return await self._send_list(request, request.call.name)

    async def _send_list(self, request: Request, name: str) -> Outcome | Then[Request]:
        if request.is_lacking:
            made = await self._lists.make(name)
            return made or _next(replace(request, is_lacking=False))
        found = await self._lists.look_for(name)
        return found or _next(replace(request, is_lacking=True))

    async def _send_user(self, request: Request, call: UserCall) -> Outcome | Then[Request]:
        user = request.owner
        for name in call.lists:
            known = self._lists.known_for_member(name)
            if known is None:
                return _next(Request(user, ListCall(name), then=request))
            if not isinstance(known, Delivered):
                return known
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

    async def _look_for_purchase(
        self, request: Request, call: PurchaseCall
    ) -> Outcome | Then[Request]:
        """Nobody can take back a purchase that is recorded twice."""
        found = await self._client.get(call.endpoint, call.lookup())
        if isinstance(found, Rejected):
            return _next(replace(request, is_lacking=True))
        return found

    async def _record_purchase(self, user: Hashable, call: PurchaseCall) -> Outcome:
        async with self._lock(user):
            call = replace(call, id=self._addresses.present(user, call.id))
            outcome = await self._client.post(call.endpoint, call.payload())
            if isinstance(outcome, Delivered):
                self._see(user, call)
                self._recorded.add(call.purchase_id)
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
