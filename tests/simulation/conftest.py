"""What tests share that tell single stories."""

import gc
import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.loop import bury


@pytest.fixture
def told_quietly() -> Iterator[None]:
    """No logs, and the last words of what a closed loop has left are heard by nobody."""
    logging.disable(logging.CRITICAL)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.disable()
    yield
    bury()
    gc.enable()
    structlog.configure(**before)
    logging.disable(logging.NOTSET)
