"""Takes mParticle's posts: each is answered when Kafka has its message, or with what to do."""

import asyncio
import contextlib
import hmac
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web

from agents.receiver import body, envelope, responses
from agents.receiver.memory_budget import Claim, MemoryBudget
from agents.receiver.responses import Refusal, RefusedError
from agents.receiver.settings import ReceiverSettings
from agents.receiver.writer import Writer
from streams import clocks, metrics
from streams.logs import Seldom

log = structlog.get_logger()

_ACCEPTED = "accepted"
_FAULT = "fault"
_SCHEME = "token"
# Messages of so many bytes are looked into in a thread, beside the event loop.
_LONG_BYTES = 256 * 1024


class Receiver:
    """Takes posts and writes them; what cannot be read is the router's to set aside."""

    def __init__(self, settings: ReceiverSettings, writer: Writer) -> None:
        self._settings = settings
        self._writer = writer
        self._budget = MemoryBudget(settings.max_in_flight_bytes)
        self._tokens = [token.encode() for token in settings.tokens]
        self._module = settings.module
        self._seldom = Seldom()
        self._under_way = 0
        self._is_stopping = False
        self._idle = asyncio.Event()
        # The series begins at 0, or increase() does not see the first event.
        outcomes = (_ACCEPTED, _FAULT, *(refusal.outcome for refusal in responses.REFUSALS))
        self._received = {each: metrics.RECEIVED.labels(outcome=each) for each in outcomes}

    async def drain(self, seconds: float) -> None:
        """Waits until the posts under way are answered; each ends its connection with that."""
        self._is_stopping = True
        if self._under_way:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._idle.wait()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answers a post, which comes as it was packed: it is unpacked here, within the limit."""
        if request.method != hdrs.METH_POST:
            return web.Response(
                status=HTTPStatus.METHOD_NOT_ALLOWED, headers={hdrs.ALLOW: hdrs.METH_POST}
            )
        self._under_way += 1
        try:
            response, outcome = await self._take(request), _ACCEPTED
        except RefusedError as error:
            response, outcome = responses.refuse(error.refusal), error.refusal.outcome
            self._say(error.refusal)
        except Exception:
            self._received[_FAULT].inc()
            raise
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
        self._received[outcome].inc()
        if self._is_stopping:
            response.force_close()
        return response

    async def _take(self, request: web.BaseRequest) -> web.Response:
        began = clocks.monotonic()
        headers = request.headers
        if hdrs.EXPECT in headers:
            await _go_on(request)
        if request.path != self._settings.path:
            raise RefusedError(responses.ELSEWHERE)
        if self._tokens and not self._knows(headers.get(hdrs.AUTHORIZATION, "")):
            raise RefusedError(responses.UNAUTHORIZED)
        declared, most = request.content_length or 0, self._writer.most
        if declared > most:
            raise RefusedError(responses.TOO_LARGE)
        with Claim(self._budget, declared) as claim:
            value = await body.read(request, claim, most, self._settings.timeout_s)
            asked = await _look(value)
            await self._writer.write(asked.key, value, claim)
        metrics.RECEIVED_BYTES.inc(len(value))
        metrics.RECEIVE_SECONDS.observe(clocks.monotonic() - began)
        return responses.answer(asked.type, asked.id, self._module)

    def _say(self, refusal: Refusal) -> None:
        if self._seldom.lets(refusal):
            log.warning("post_refused", reason=refusal.outcome, detail=refusal.says)

    def _knows(self, authorization: str) -> bool:
        scheme, _, token = authorization.strip().partition(" ")
        given = token.strip().encode(errors="surrogateescape")
        # All of them, so that the time tells nothing of which.
        known = [hmac.compare_digest(given, each) for each in self._tokens]
        return scheme.lower() == _SCHEME and any(known)


async def _look(value: bytes) -> envelope.Asked:
    """Beside the event loop where it may take long, for other posts and `/live` wait meanwhile."""
    if len(value) > _LONG_BYTES:
        return await asyncio.to_thread(envelope.look, value)
    return envelope.look(value)


async def _go_on(request: web.BaseRequest) -> None:
    """Lets a body come that waits for that; aiohttp fails to quote what is no text."""
    if request.headers[hdrs.EXPECT].lower() == "100-continue":
        writer = request.writer
        await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The answer's own head has not begun.
        writer.output_size = 0
        await writer.drain()
