"""What may be chosen about the simulated AB Tasty, above all where the real one is not known."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The account, its limits, and a choice for every behaviour that is only inferred.

    Pages are those of docs.abtasty.com. `clock` gives unix seconds. `statuses` sets another HTTP
    status for a refusal by its name, where the recorded facts hold none.
    """

    client_id: str = "sandbox-client"
    client_secret: str = field(default="sandbox-secret", repr=False)
    account: str = "sandbox-account"
    partner: str = "mparticle"
    api_key: str = field(default="sandbox-key", repr=False)
    api_key_setting: str = "apiKey"
    firehose_path: str = "/"
    suspend_subscription: bool = False
    clock: Callable[[], float] = time.time

    token_lifetime: int = 43_200
    """Seconds. Documented: the sample of AB Tasty's older "Public API Documentation"."""

    max_rows: int = 100_000
    max_bytes: int = 20_000_000
    """Reported with max_rows: "Architectural Integration and Technical Documentation of the AB
    Tasty Public API Ecosystem", which cites "Universal data connector API"."""

    retention_days: int = 30
    """Documented: "Universal data connector API"; counted from reception."""

    apply_delay: float = 0.0
    """Seconds from a 202 to its effect. Reported, as max_rows is: a queue, first in, first out."""

    known_visitors: frozenset[str] | None = None
    """Rows of others are accepted and ignored; None: everyone is known. Inferred."""

    bad_row: Literal["refuse-file", "drop-row"] = "refuse-file"
    segment_characters: Literal["as-value", "any"] = "as-value"
    statuses: Mapping[str, int] = field(default_factory=dict)
