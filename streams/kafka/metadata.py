"""Bounds how often a client asks for a cluster's metadata."""

import asyncio
import math
from collections import deque
from typing import Any

_PAUSE_SECONDS = 0.25


def paced(client: Any, at_once: int = 1) -> None:
    """Has a client of aiokafka's pause between questions; so many may come without a pause.

    It asks again at once for as long as a topic is missing or a leader unknown: hundreds of times a
    second, each of which it also logs (aiokafka 0.14, `Fetcher._fetch_requests_routine` and
    `Sender._sender_routine`).
    """
    update = client._metadata_update  # noqa: SLF001 - guarded by a test
    # When the last of them were asked, the oldest first.
    asked = deque([-math.inf] * at_once, at_once)

    async def after_a_pause(*given: Any) -> Any:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, asked[0] + at_once * _PAUSE_SECONDS - clock()))
        asked.append(clock())
        return await update(*given)

    client._metadata_update = after_a_pause  # noqa: SLF001 - as above
