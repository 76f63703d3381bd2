"""The secured broker that tests share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests import brokers
from tests.kafka.secured import Secured


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Secured]:
    directory = tmp_path_factory.mktemp("secured")
    async with brokers.running("secured", pytestconfig, directory) as shared:
        yield shared
