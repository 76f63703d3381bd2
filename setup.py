"""What pyproject.toml cannot say: with MPARTICLE_STREAMS_COMPILE=1 the mapping is compiled to C.

The source is the same, and so is what it does (`make compiled` holds it to that); a message takes
three quarters of its time. Needs a C compiler, and mypy and our dependencies where it is built:
their types are compiled in, so `pip wheel --no-build-isolation`.
"""

import os

from setuptools import Extension, setup

# What a message goes through that is neither models nor functions written at run time.
_MAPPING = [
    *(
        f"agents/router/{name}.py"
        for name in (
            *(
                "audiences",
                "event_batch",
                "event_contents",
                "events",
                "firehose",
                "identity_pairs",
                "ids",
            ),
            *("raw_message", "route_result", "routing", "schema_drift", "snapshots", "user_state"),
        )
    ),
    *(
        f"models/mparticle/{name}.py"
        for name in ("identity", "keys", "numbers", "parsing", "reading", "texts")
    ),
]


def _compiled() -> list[Extension]:
    if os.environ.get("MPARTICLE_STREAMS_COMPILE") != "1":
        return []
    # Only here, because an installation that is not compiled does without.
    from mypyc.build import mypycify  # noqa: PLC0415

    return mypycify(_MAPPING)


setup(ext_modules=_compiled())
