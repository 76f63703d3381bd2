"""A simulated Sailthru for each test that asks for one."""

from collections.abc import AsyncIterator

import pytest

from tests.agents.sailthru.simulated import Simulated, simulated


@pytest.fixture
async def sailthru() -> AsyncIterator[Simulated]:
    async with simulated() as running:
        yield running
