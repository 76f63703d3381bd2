"""Every way a request can end; each says who acts next."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination took it."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It may pass later: we wait. `after` is in seconds, where the destination said so.

    `endpoint` tells whether the endpoint as a whole asks to wait (a rate limit, an outage it
    announces) and not this request alone; `outage`, that it is not for a limit.
    """

    reason: str
    after: float | None = None
    endpoint: bool = False
    outage: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """These records will never pass: dead letter, or try them in smaller parts.

    `reason` is from a small fixed set, `detail` is safe to show (codes, names of fields).
    `size` tells that there is too much of them, and nothing is wrong with any one; `ordinary`, that
    it lies in the users or audiences of an account and says nothing of a deploy or a setting.
    """

    reason: str
    detail: str = ""
    size: bool = False
    ordinary: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing passes until a person mends a key or a setting; `what_to_do` is one sentence."""

    reason: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Left out on purpose, for a named reason."""

    reason: str


Outcome = Delivered | RetryLater | Rejected | Blocked
