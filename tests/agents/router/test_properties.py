"""Each property of the router, tried on a fixed few messages."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.agents.router.properties import PROPERTIES

# A fixed set of examples, so that no run fails by chance or by being slow.
_few = settings(
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda holds: holds.__name__)
def test_for_any_message(holds: Callable[[Any], None]) -> None:
    @_few
    @given(PROPERTIES[holds])
    def tried(drawn: Any) -> None:
        holds(drawn)

    tried()
