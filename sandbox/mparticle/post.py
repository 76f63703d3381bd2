"""Posts messages as mParticle does: some answers make it try again, with others data is lost."""

import asyncio
import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import aiohttp

from sandbox.mparticle.wire import Message

# mParticle docs, "Outbound Integrations".
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_NO_ANSWER = 0
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.05, 2.0
_TRY_SECONDS = 30.0
_AHEAD = 20


# Asked when a module is set up (mParticle docs, "Firehose Java SDK"): about the module, and nobody.
_REGISTRATION = b'"module_registration_request"'
_NOT_IMPLEMENTED = 501


@dataclass
class Posted:
    """`lost` counts by status what was given up; 0 is no answer at all.

    `unregistered` counts registrations that were answered 501: there is no module then, which
    mParticle shows to whoever sets it up, and no data of a user is lost.
    """

    accepted: int = 0
    retried: int = 0
    unregistered: int = 0
    lost: Counter[int] = field(default_factory=Counter)


async def post(
    url: str,
    messages: Iterable[Message],
    *,
    token: str | None = None,
    connections: int = 20,
    patience_s: float = 60.0,
    accepted: Callable[[Message], None] = lambda _message: None,
) -> Posted:
    """Posts all of them, one user's one after the other; `accepted` is told of each that was.

    mParticle limits its tries, by how many is not public: here each has `patience_s` in all.
    """
    posted = Posted()
    lanes: list[asyncio.Queue[Message | None]] = [asyncio.Queue(_AHEAD) for _ in range(connections)]
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Token {token}"
    timeout = aiohttp.ClientTimeout(_TRY_SECONDS)
    async with (
        aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
        asyncio.TaskGroup() as group,
    ):
        for lane in lanes:
            group.create_task(_post_lane(session, url, lane, patience_s, posted, accepted))
        for message in messages:
            await lanes[hash(message.key or message.value) % connections].put(message)
        for lane in lanes:
            await lane.put(None)
    return posted


async def _post_lane(
    session: aiohttp.ClientSession,
    url: str,
    lane: asyncio.Queue[Message | None],
    patience_s: float,
    posted: Posted,
    accepted: Callable[[Message], None],
) -> None:
    while (message := await lane.get()) is not None:
        status = await _post(session, url, message.value, patience_s, posted)
        if status < 300 and status != _NO_ANSWER:  # noqa: PLR2004 - what HTTP calls a success
            posted.accepted += 1
            accepted(message)
        elif status == _NOT_IMPLEMENTED and _REGISTRATION in message.value:
            posted.unregistered += 1
        else:
            posted.lost[status] += 1


async def _post(
    session: aiohttp.ClientSession, url: str, body: bytes, patience_s: float, posted: Posted
) -> int:
    """The status of the last try."""
    clock = asyncio.get_running_loop().time
    ends, pause_s = clock() + patience_s, _FIRST_PAUSE_S
    while True:
        status = await _try(session, url, body)
        if status not in {*RETRIED, _NO_ANSWER} or clock() + pause_s > ends:
            return status
        posted.retried += 1
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _MAX_PAUSE_S)


async def _try(session: aiohttp.ClientSession, url: str, body: bytes) -> int:
    try:
        async with session.post(url, data=io.BytesIO(body)) as response:
            await response.read()
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return _NO_ANSWER
