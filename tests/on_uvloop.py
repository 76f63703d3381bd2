"""`pytest --loop uvloop`: the tests on the event loop that the product's processes run on.

Without it they run on asyncio's own, which tells more of what was forgotten.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import pytest
import uvloop


def add_option(parser: pytest.Parser) -> None:
    parser.addoption(
        "--loop",
        choices=("asyncio", "uvloop"),
        default="asyncio",
        help="Whose event loop the tests run on.",
    )


def configure(config: pytest.Config) -> None:
    if config.getoption("--loop") == "uvloop":
        config.pluginmanager.register(_Uvloop())


class _Uvloop:
    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], AbstractEventLoop]]:
        return {"uvloop": uvloop.new_event_loop}
