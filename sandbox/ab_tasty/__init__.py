"""A simulated AB Tasty: its Universal Data Connector and an mParticle partner, over real HTTP."""

from sandbox.ab_tasty.options import Options
from sandbox.ab_tasty.service import AbTasty

__all__ = ["AbTasty", "Options"]
