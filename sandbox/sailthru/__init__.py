"""A simulated Sailthru: the public facts of its HTTP API, over real HTTP."""

from sandbox.sailthru.options import PUBLISHED_CEILINGS, Options
from sandbox.sailthru.service import Sailthru

__all__ = ["PUBLISHED_CEILINGS", "Options", "Sailthru"]
