"""Posting over HTTP: an answer, or how the connection failed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from yarl import URL

from streams.delivery.outcomes import RetryLater
from streams.delivery.unsure import guarded

# Answers are a few hundred bytes; a wrong host may send anything.
_MAX_ANSWER_BYTES = 64 * 1024


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """One worker's connections to AB Tasty."""

    def __init__(self, session: aiohttp.ClientSession, timeout_s: float) -> None:
        self._session = session
        self._timeout_s = timeout_s

    @classmethod
    @asynccontextmanager
    async def open(
        cls, timeout_s: float, may_send: Callable[[], bool] = lambda: True
    ) -> AsyncIterator["Http"]:
        """`may_send` is asked before each request goes out; what it refuses is an UnsureError."""
        async with aiohttp.ClientSession(
            request_class=guarded(may_send),
            # Requests in flight are the delivery's to limit; a limit here would count waiting for
            # a connection as waiting for AB Tasty.
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            yield cls(session, timeout_s)

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer | RetryLater:
        return await self._try("GET", url, headers)

    async def post(
        self, url: str, headers: Mapping[str, str], content: bytes
    ) -> Answer | RetryLater:
        return await self._try("POST", url, headers, content)

    async def _try(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> Answer | RetryLater:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(method, url, headers, content)
        except TimeoutError:
            return RetryLater("timeout")
        except (aiohttp.ClientError, OSError):
            return RetryLater("connection")

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        # A redirect would carry the credential to another host.
        async with self._session.request(
            method, URL(url, encoded=True), data=content, headers=headers, allow_redirects=False
        ) as response:
            body = bytearray()
            async for part in response.content.iter_any():
                body += part
                if len(body) > _MAX_ANSWER_BYTES:
                    break
            return Answer(response.status, response.headers, bytes(body[:_MAX_ANSWER_BYTES]))


def is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def is_transient(status: int) -> bool:
    """Tells whether the same request may pass later."""
    known = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    return status in known or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that `Retry-After` asks for, in either of its forms (RFC 9110, 10.2.3).

    A date is compared with the answer's own `Date`, so that no clock of ours takes part.
    """
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdecimal():
        return float(said)
    until, now = _date(said), _date(headers.get("Date", ""))
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    # "-0000" parses without a zone; HTTP dates are GMT.
    return date if date.tzinfo else None
