"""Leaves out the records that an operator does not want a destination to have.

At mParticle this is chosen for each connection, which is lost when two destinations read one topic.
"""

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field, field_validator

from agents.learned_names import LearnedNames
from agents.patterns import Allowed, patterns
from models.audience import Audience
from models.audience_membership import OF_AUDIENCES, AudienceChanged, MembershipChanged
from models.record import Record
from streams.base_settings import Settings
from streams.outcomes import Dropped

_OfAudience = MembershipChanged | AudienceChanged | Audience
_OF_AUDIENCE: tuple[type[_OfAudience], ...] = (*OF_AUDIENCES, Audience)
_DEVELOPMENT = Dropped("development")
# The account of records that name none, as from a Kafka connection without a Unique ID.
_UNKNOWN = "unknown"


class RecordFilterSettings(Settings):
    """The settings by which an operator chooses, the same at every destination."""

    audiences_allow: str = Field(
        "",
        description="audiences to send, others are left out: their ids, or names as mParticle has "
        "them, parted by commas, with * and ? as placeholders; empty sends all",
    )
    audiences_deny: str = Field(
        "",
        description="audiences to leave out, written in the same way; has the last word",
    )
    accounts_allow: str = Field(
        "",
        description="where the topics hold data of several mParticle accounts or workspaces, those "
        "to send: 4411 for an account, workspace:77 for a workspace, connection:shop for the "
        "Unique ID of a Kafka connection, unknown for what says none of them; empty sends all",
    )
    accounts_deny: str = Field(
        "", description="accounts and workspaces to leave out, written in the same way"
    )
    development_data: Literal["drop", "deliver"] = Field(
        "drop",
        description="what becomes of data from mParticle's development environment: left out and "
        "counted as development, or delivered",
    )

    @field_validator("accounts_allow", "accounts_deny")
    @classmethod
    def _names_accounts(cls, value: str) -> str:
        return ",".join(map(_account, patterns(value)))


def settings_behind(group: type[RecordFilterSettings]) -> Mapping[str, str]:
    """Reason why a record is left out by choice -> the destination's setting that says so."""
    fields = {
        "development": "development_data",
        "account_not_allowed": "accounts_allow",
        "account_denied": "accounts_deny",
        "audience_not_allowed": "audiences_allow",
        "audience_denied": "audiences_deny",
    }
    return {reason: group.variable(field) for reason, field in fields.items()}


class RecordFilter:
    """Says of a record why a destination is not to have it."""

    def __init__(self, settings: RecordFilterSettings, names: LearnedNames) -> None:
        """`names` are the newest names of audiences; the sink learns them, of all that comes."""
        self._accounts = Allowed(settings.accounts_allow, settings.accounts_deny)
        self._audiences = Allowed(settings.audiences_allow, settings.audiences_deny)
        self._drops_development = settings.development_data == "drop"
        self._names = names

    def reason_against(self, record: Record) -> Dropped | None:
        if self._drops_development and record.environment == "development":
            return _DEVELOPMENT
        if not self._accounts.all and (verdict := self._accounts.verdict(*_accounts(record))):
            return Dropped(f"account_{verdict}")
        if self._audiences.all:
            return None
        return self.audience_reason(record) if isinstance(record, _OF_AUDIENCE) else None

    def audience_reason(self, record: _OfAudience) -> Dropped | None:
        """Judges by the audience alone."""
        if self._audiences.all:
            return None
        name = record.name if isinstance(record, Audience) else self._names.name(record)
        verdict = self._audiences.verdict(record.audience_id, *([name] if name else []))
        return Dropped(f"audience_{verdict}") if verdict else None


def _account(pattern: str) -> str:
    """Spells an account as records do; raises ValueError for what would match nothing."""
    kind, colon, id_ = (part.strip() for part in pattern.partition(":"))
    if colon and id_ and kind.lower() in ("workspace", "connection"):
        return f"{kind}:{id_}"
    if not colon and (kind.lower() == _UNKNOWN or re.fullmatch(r"[0-9*?]+", kind)):
        return kind
    raise ValueError(
        f"write 4411 for an account, workspace:77, connection:shop or {_UNKNOWN}, instead of "
        f"{pattern!r}"
    )


def _accounts(record: Record) -> list[str]:
    said = [record.account_id] if record.account_id else []
    said += [f"workspace:{record.workspace_id}"] if record.workspace_id else []
    said += [f"connection:{record.connection_id}"] if record.connection_id else []
    return said or [_UNKNOWN]
