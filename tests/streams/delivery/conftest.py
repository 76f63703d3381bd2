"""What the delivery's tests ask for by name."""

import pytest

from tests.streams.delivery.flow import without_pauses


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-offs and probes come at once."""
    without_pauses(monkeypatch)
