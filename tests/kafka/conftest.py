"""The secured broker that tests share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.kafka.secured import Secured, secured


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    async with secured(tmp_path_factory.mktemp("secured")) as running:
        yield running
