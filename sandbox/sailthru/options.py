"""What may be chosen about the simulated Sailthru, above all where the real one is not known."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

PUBLISHED_CEILINGS = {"POST user": 18_000, "POST": 2_400, "GET": 18_000, "DELETE": 2_400}
"""Requests a minute by method, and by endpoint where it has its own.

Reported: repository api-evangelist/sailthru, rate-limits (300 a second for POST user and each GET,
40 a second for every other POST and each DELETE). Counted per account, endpoint and method:
documented, "API Rate Limiting Taking Effect Sept. 6, 2016" (getstarted.sailthru.com).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The account, and a choice for every behaviour that is only inferred.

    `clock` gives unix seconds; `sleep` passes the time that making a list takes. `statuses` sets
    another HTTP status for a refusal by its name, where the recorded facts hold none.
    """

    api_key: str = "sandbox-key"
    api_secret: str = field(default="sandbox-secret", repr=False)
    ceilings: Mapping[str, int] = field(default_factory=PUBLISHED_CEILINGS.copy)
    factor: float = 1.0
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    enabled_keys: frozenset[str] = frozenset({"email", "extid", "sms", "fb", "twitter"})
    """Documented: extid, sms, fb and twitter have to be enabled for an account ("user")."""

    list_creation_delay: float = 0.05
    """Seconds; requests that meet within it each make a list of the same name."""

    unknown_event_user: Literal["create", "refuse"] = "create"
    unknown_buyer: Literal["create", "refuse"] = "create"
    repeated_purchase: Literal["take", "refuse"] = "take"
    """A purchase with the extid of one that is there already."""
    profile_without_email: Literal["create", "refuse"] = "create"
    keysconflict_default: Literal["merge", "error"] = "error"
    nested_vars: Literal["replace", "merge"] = "replace"
    leading_digit: Literal["refuse", "strip"] = "refuse"
    reserved_vars: Literal["refuse", "keep"] = "refuse"
    event_var_names: Literal["keep", "clean"] = "keep"
    dollar_in_list_name: Literal["refuse", "keep"] = "refuse"
    list_name_case: Literal["told_apart", "ignored"] = "told_apart"
    """Nothing is published of whether two names that differ in case only are one list's."""
    job_seconds: float = 0.2
    """How long a job waits before it is carried out; the real ones take minutes to hours."""
    job_lines: int = 10_000
    job_bytes: int = 10_000_000
    bad_job_line: Literal["skip", "fail"] = "skip"
    """Nothing is published of a line that is refused: passed over, or the end of its job."""
    statuses: Mapping[str, int] = field(default_factory=dict)

    def ceiling(self, endpoint: str) -> int:
        method, _, _ = endpoint.partition(" ")
        return int(self.ceilings.get(endpoint, self.ceilings[method]) * self.factor)
