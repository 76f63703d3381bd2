"""Takes one turn of a lane: barrier, fold, fence, send, decide, apply."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streams import clocks, metrics
from streams.dead_letters.writer import FloodGuard
from streams.delivery.completion import mapping_error
from streams.delivery.components import Components
from streams.delivery.lane import Item, Lane
from streams.delivery.sending.circuit_breaker import Gate
from streams.delivery.sending.circuit_breaker import Quarantine as Quarantined
from streams.delivery.sending.concurrency import Connections
from streams.delivery.sending.decision import (
    BackOff,
    Block,
    Bury,
    CloseLimit,
    Complete,
    Decision,
    Halve,
    Pause,
    Quarantine,
    Standing,
    decide,
    refuse,
)
from streams.delivery.sending.endpoint import Endpoint
from streams.delivery.sink import Batch, Then
from streams.fencing import FencedError
from streams.outcomes import Delivered, Misconfigured, Outcome, Rejected, RetryRecord, Unavailable


class Turn:
    """Takes the turns of all lanes of a destination, whichever endpoint they wait for."""

    def __init__(
        self,
        components: Components,
        guard: FloodGuard,
        gate: Gate,
        slots: Connections,
        endpoint: Callable[[str], Endpoint],
    ) -> None:
        """`endpoint` returns the one of that name."""
        self._outlet = components.outlet
        self._completion = components.completion
        self._barrier = components.barrier
        self._may_send = components.may_send
        self._guard = guard
        self._gate = gate
        self._slots = slots
        self._endpoint = endpoint
        self._patience_s = components.policy.retry.patience_s
        self._quarantine = Quarantined(components.policy.retry.quarantine_s)

    async def take(self, lane: Lane, endpoint: Endpoint) -> None:
        """Sends one request for a lane, or gives the permit back."""
        batch, lane.next = lane.next, None
        if batch is None and not lane.closed:
            batch = await self._fold(lane)
        if batch is None or lane.closed:
            endpoint.limit.give_back()  # it is closed, or will be woken
            return
        if batch.endpoint not in {None, endpoint.name}:
            endpoint.limit.give_back()
            self._hand_over(lane, batch)
            return
        try:
            outcome = await self._send(lane, batch, endpoint)
        except FencedError:
            # It was frozen since its endpoint asked. Nobody's failure; when it is sure again, and
            # the lane still its own, the records are folded anew.
            endpoint.limit.give_back()
            self._home(lane).requeue(lane)
            return
        if isinstance(outcome, Then):
            endpoint.record_success(lane.sent_at)
            self._hand_over(
                lane, replace(batch, request=outcome.request, endpoint=outcome.endpoint)
            )
            return
        lane.record_attempt(batch.size)
        standing = self._record(outcome, lane, batch.size, endpoint)
        decision = decide(outcome, standing, self._patience_s)
        await self._apply(decision, lane, batch.size, endpoint)

    def _home(self, lane: Lane) -> Endpoint:
        """The endpoint at which every try of the lane begins."""
        return self._endpoint(lane.key.endpoint)

    async def _fold(self, lane: Lane) -> Batch[Any] | None:
        """Returns what the lane is to send first; None when there is nothing to send now."""
        sink, home = self._outlet.sink, self._home(lane)
        ready = self._barrier.count_ready(lane, lambda: home.requeue(lane))
        waiting = lane.head(min(ready, sink.most_records))
        if not waiting:
            return None
        try:
            return sink.fold(lane.key, waiting)
        except Exception as error:  # noqa: BLE001 - see mapping_error; halving finds the record
            decision: Decision = refuse(mapping_error(error), len(waiting))
            await self._apply(decision, lane, len(waiting), home)
            return None

    def _hand_over(self, lane: Lane, batch: Batch[Any]) -> None:
        """Has a request wait for its turn at the endpoint that it goes to."""
        if lane.closed:
            return
        lane.next = batch
        self._endpoint(batch.endpoint or lane.key.endpoint).ready(lane)

    async def _send(self, lane: Lane, batch: Batch[Any], endpoint: Endpoint) -> Outcome | Then[Any]:
        """Tries once. Raises FencedError, and counts nothing, when this worker may not send."""
        if not self._may_send():
            raise FencedError
        at = (self._outlet.name, endpoint.name)
        lane.sent_at = clocks.monotonic()
        outcome = await self._outlet.wire.send(batch.request)
        seconds = clocks.monotonic() - lane.sent_at
        self._slots.observe(endpoint.name, seconds)
        metrics.child(metrics.RECORDS_PER_REQUEST, *at).observe(batch.size)
        metrics.child(metrics.REQUEST_SECONDS, *at).observe(seconds)
        metrics.child(metrics.REQUESTS, *at, outcome.tag).inc()
        return outcome

    def _record(self, outcome: Outcome, lane: Lane, size: int, endpoint: Endpoint) -> Standing:
        """Tells gate, limit and breaker what an outcome says of them; returns how all stand."""
        breaker = endpoint.breaker
        match outcome:
            case Delivered() | Rejected():
                # A refusal is an answer too: the key is right, and the endpoint works.
                endpoint.record_success(lane.sent_at)
            case RetryRecord():
                breaker.record_failure(lane.key)
                return self._record_failure(lane, size, endpoint)
            case Misconfigured():
                return self._record_failure(lane, size, endpoint)
            case Unavailable():
                breaker.record_outage()
        return Standing(size)

    def _record_failure(self, lane: Lane, size: int, endpoint: Endpoint) -> Standing:
        fails_by_itself = lane.record_failure(endpoint.name, endpoint.breaker.passed_sent_at)
        is_quarantined = self._quarantine.holds(lane.key)
        return Standing(size, fails_by_itself, lane.failing_s, is_quarantined)

    async def _apply(self, decision: Decision, lane: Lane, size: int, endpoint: Endpoint) -> None:
        if isinstance(decision, Quarantine):
            self._quarantine.add(lane.key)
            decision = decision.then
        match decision:
            case Complete():
                self._complete(lane, size)
            case Bury(why):
                await self._bury(lane.record_refusal(size), why)
            case Halve():
                lane.record_refusal(size)
            case BackOff(after):
                self._home(lane).ready_later(lane, after)
                return  # not before its pause is over
            case CloseLimit(after):
                metrics.RATE_LIMITED.labels(self._outlet.name, endpoint.name).inc()
                endpoint.limit.record_refusal(after)
            case Pause(seconds):
                endpoint.limit.close_for(seconds)
            case Block(why):
                self._gate.block(endpoint.name, lane.key, why)
                self._home(lane).ready_later(lane, None)
                return  # let others tell whether it is this lane alone
        self._home(lane).requeue(lane)

    def _complete(self, lane: Lane, size: int) -> None:
        delivered = lane.pop_delivered(size)
        # Of a batch that used up its patience the rest is given none because a part passes.
        if not lane.is_suspect:
            self._quarantine.release(lane.key)
        self._completion.end_delivered(delivered)
        self._guard.count_passed(sum(not item.is_redriven for item in delivered))

    async def _bury(self, item: Item | None, why: Rejected) -> None:
        assert item is not None, "of one record, the refused one is known"
        if item.record is not None and self._outlet.resends is not None:
            await self._outlet.resends.on_dead_letter(item.record, item.source.partition)
        await self._completion.end_rejected([(item, why)])
        if why.blames != "account" and not item.is_redriven:
            self._gate.hold(self._guard.count(why.reason))
