"""docker-compose.yml: its services, and what it gives them."""

from typing import Any

import yaml

from agents import registry
from tests.repository import ROOT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
    "services"
]
WORKERS = ("router", *registry.destinations())


def given(service: str) -> dict[str, str]:
    """The environment variables of a service."""
    variables: dict[str, str] = SERVICES[service]["environment"]
    return variables
