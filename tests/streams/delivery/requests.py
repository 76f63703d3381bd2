"""Sends what records need as turns of their lane would, one request after the other."""

from typing import Any

from streams.delivery.sink import Then, Wire
from streams.outcomes import Outcome


async def send_all(wire: Wire[Any], request: Any) -> Outcome:
    """Returns how the last of them ended, or the first that did not pass."""
    while isinstance(outcome := await wire.send(request), Then):
        request = outcome.request
    return outcome
