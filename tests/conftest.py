"""What tests of every part ask for by name."""

import asyncio
import gc
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import settings

from sandbox.kafka import BrokerError, Kafka, prepare
from tests import brokers, longest_first, on_uvloop, zygote

SHARED = pytest.StashKey[brokers.Brokers]()

_OBJECTS = 20_000
"""How many new ones have the garbage collector look; Python's 700 cost a twentieth of the CPU."""

# How long an example takes says something of the machine, and is no verdict.
settings.register_profile("without deadlines", deadline=None)
settings.load_profile("without deadlines")


def pytest_addoption(parser: pytest.Parser) -> None:
    on_uvloop.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    on_uvloop.configure(config)


def pytest_sessionstart() -> None:
    gc.disable()  # until all is imported and collected, of which hardly anything is garbage
    if "PYTEST_XDIST_WORKER" in os.environ:  # many tests are to come, and some need it
        zygote.begin()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    # The processes of the run are forked, too, and those that take the place of one that crashed.
    zygote.begin()
    starting = SimpleNamespace(Popen=zygote.Popen, PIPE=subprocess.PIPE)
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr("execnet.gateway_base.MainThreadOnlyExecModel.subprocess", starting)
    # Once and in no test's time, before each process would do it for itself.
    with suppress(BrokerError):  # what needs Kafka says so
        asyncio.run(prepare())
    config.stash[SHARED] = brokers.Brokers()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["brokers"] = node.config.stash[SHARED].address


def pytest_unconfigure(config: pytest.Config) -> None:
    if SHARED in config.stash:
        config.stash[SHARED].end()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: longest_first.rank(item.path, config.rootpath))


def pytest_collection_finish() -> None:
    # What is imported and collected stays: whoever looks for garbage need not look through it.
    gc.freeze()
    gc.enable()
    gc.set_threshold(_OBJECTS)


@pytest.fixture(scope="session", autouse=True)
def workers_are_forked() -> Iterator[None]:
    """Those of the demo's world, too, which the product starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cli.demo.world.Popen", zygote.Popen)
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Kafka]:
    """The one broker of a run; a test that stops or kills a broker starts its own."""
    directory = tmp_path_factory.mktemp("plain")
    async with brokers.running("plain", pytestconfig, directory) as broker:
        yield broker


@pytest.fixture
def prefix() -> str:
    """What a test puts before its topics and groups to have them to itself."""
    return f"test-{uuid4().hex[:12]}-"


@pytest.fixture(scope="session", autouse=True)
def no_proxy_of_this_machine() -> Iterator[None]:
    """What whoever runs the tests goes out by is no setting of theirs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
            patch.delenv(name, raising=False)
        yield
