"""Every way a request can end; each says who acts next."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Blame: TypeAlias = Literal["record", "account"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination took it."""

    tag: ClassVar[str] = "delivered"


@dataclass(frozen=True, slots=True)
class _Transient:
    """It may pass later: we wait. `after` is in seconds, where the destination said so."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class RetryRecord(_Transient):
    """This request failed, and others may pass: its lane alone waits, and for a set time."""

    tag: ClassVar[str] = "retry_record"


@dataclass(frozen=True, slots=True)
class Throttled(_Transient):
    """The endpoint takes no more requests for now: all that is for it waits, at no lane's cost."""

    tag: ClassVar[str] = "throttled"


@dataclass(frozen=True, slots=True)
class Unavailable(_Transient):
    """The destination serves nobody: all that is for the endpoint waits, and that is an outage."""

    tag: ClassVar[str] = "unavailable"


@dataclass(frozen=True, slots=True)
class Rejected:
    """These records will never pass: dead letter, or try them in smaller parts.

    `reason` is from a small fixed set, `detail` is safe to show (codes, names of fields). `blames`
    says what the refusal is about: something in the *record*; or the users or audiences of an
    *account*, so that it says nothing of a deploy or a setting.
    """

    tag: ClassVar[str] = "rejected"

    reason: str
    detail: str = ""
    blames: Blame = "record"


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """A key or a setting is wrong, and nothing passes before a person mends it by `what_to_do`.

    So the service says; where others pass meanwhile, it is this request alone that fails.
    """

    tag: ClassVar[str] = "misconfigured"

    reason: str
    what_to_do: str

    def alone(self) -> RetryRecord:
        """A wait for this request alone, where others pass: it is neither key nor setting then.

        Who dislikes it may stand before the service, such as a firewall.
        """
        return RetryRecord(self.reason)

    def block(self) -> "Blocked":
        """The state that a worker is in until then."""
        return Blocked(self.reason, self.what_to_do)


Transient: TypeAlias = RetryRecord | Throttled | Unavailable
"""It may pass later; which of the three says what waits until then."""
Outcome: TypeAlias = Delivered | Transient | Rejected | Misconfigured
"""The six ends of a request."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Left out on purpose before it became a request, for a named reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """The reason for which nothing is sent until a person acts: a state, not an outcome."""

    reason: str
    what_to_do: str
