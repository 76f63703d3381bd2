"""Destinations are found by where they lie."""

from importlib.util import find_spec

import pytest

from agents import registry
from agents.registry import Destination

DESTINATIONS = list(registry.destinations().values())


@pytest.fixture(params=DESTINATIONS, ids=[each.name for each in DESTINATIONS])
def destination(request: pytest.FixtureRequest) -> Destination:
    found: Destination = request.param
    return found


def test_every_folder_with_a_sink_is_a_destination_and_no_other() -> None:
    assert registry.destinations().keys() == {"ab-tasty", "sailthru"}


def test_destinations_do_not_share_settings() -> None:
    prefixes = {each.settings.model_config.get("env_prefix") for each in DESTINATIONS}
    assert len(prefixes) == len(DESTINATIONS)


def test_worker_of_a_destination_lies_where_its_name_says(destination: Destination) -> None:
    assert find_spec(f"agents.{destination.name.replace('-', '_')}.app")
