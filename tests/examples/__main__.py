"""`python -m tests.examples WORDS`: `mparticle-streams` with the examples among its destinations.

Their folder stands beside the destinations' own, as it would after a copy.
"""

import sys
from importlib import import_module

import agents
from agents import registry, rights
from tests.repository import ROOT

if __name__ == "__main__":
    agents.__path__.append(str(ROOT / "examples"))
    # The zygote has asked which destinations there are, and made the commands of them.
    registry.destinations.cache_clear()
    rights.components.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "cli"]:
        del sys.modules[name]
    import_module("cli.main").main()
