"""The settings of AB Tasty."""

import re
from collections.abc import Sequence
from typing import Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from agents.ab_tasty.setting_types import IdentitySource, Key, Path, SegmentTemplate, Value, fields
from agents.record_filter import RecordFilterSettings
from streams.addresses import Url
from streams.http import HttpSettings

Auth = Literal["oauth", "body_key", "header_key", "none"]

_UDC_URL = "https://api-data-connector.abtasty.com"
_PATHS = {"udc": "/accounts/{account}/segments/{partner}", "firehose": "/"}


class AbTastySettings(RecordFilterSettings, HttpSettings):
    """`udc` uploads rows to the Universal Data Connector; `firehose` plays mParticle's part."""

    model_config = SettingsConfigDict(env_prefix="ABTASTY_")
    addresses = ("base_url", "token_url")

    mode: Literal["udc", "firehose"] = Field(
        "udc",
        description="udc: rows to AB Tasty's Universal Data Connector; firehose: messages as "
        "mParticle sends them to its partners, to a URL that AB Tasty names",
    )
    base_url: Url | None = Field(
        None, description=f"AB Tasty's host; in udc {_UDC_URL} unless set, required in firehose"
    )
    path_template: Path | None = Field(
        None,
        description=f"path of every request, with {{account}} and {{partner}}; unless set "
        f"{_PATHS['udc']} in udc and {_PATHS['firehose']} in firehose",
    )
    subscription_path: Path | None = Field(
        None, description="firehose: path of subscription requests, where it is one of its own"
    )
    membership_path: Path | None = Field(
        None, description="firehose: path of membership changes, where it is one of its own"
    )
    account_id: str | None = Field(
        None,
        description="udc: the identifier of the AB Tasty account (the long text of the tag, not "
        "the number); firehose: the number of the mParticle account",
    )
    partner_name: str | None = Field(
        None, description="udc: the partner name agreed with AB Tasty, such as mparticle"
    )
    auth: Auth | None = Field(
        None,
        description="oauth (client id and secret; the default in udc), body_key (API key inside "
        "the message; the default in firehose), header_key (API key in a header) or none",
    )
    token_url: Url = Field(
        "https://api.abtasty.com/oauth/v2/token", description="oauth: where tokens are fetched"
    )
    client_id: str | None = Field(
        None, description="oauth: client id from AB Tasty's Public API page"
    )
    client_secret: SecretStr | None = Field(
        None,
        description="oauth: its secret; its role must be 'Send and get third party segments'",
    )
    api_key: Key = Field(
        None, description="body_key and header_key: the key from AB Tasty's Integrations page"
    )
    api_key_setting: str = Field(
        "apiKey", min_length=1, description="body_key: its name in account.account_settings"
    )
    auth_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]+$",
        description="header of the credential; unless set Authorization (as Bearer) with oauth "
        "and x-api-key with header_key",
    )
    body_format: Literal["csv", "json"] = Field(
        "csv", description="udc: rows as CSV with a header line, or as a JSON array"
    )
    segment_name_template: SegmentTemplate = Field(
        "{audience_name}-{audience_id}",
        description="udc: the segment of an audience, from {audience_name} and {audience_id}; what "
        "AB Tasty does not permit becomes -; a name that is another audience's gets the id behind "
        "it",
    )
    join_value: Value = Field(
        "true",
        description="udc: value of the row of a user who joined; no space, comma, semicolon or "
        "quote",
    )
    leave_value: Value = Field(
        "false",
        description="udc: value of the row of a user who left; AB Tasty documents no removal, so "
        "that campaigns must ask for the join value and not for presence",
    )
    delete_strategy: Literal["overwrite", "skip"] = Field(
        "overwrite", description="overwrite: send leaves too; skip: send joins only"
    )
    identity: IdentitySource = Field(
        "mpid",
        description="udc: the visitor id: mpid (mParticle's user id), partner:<type> or "
        "user:<type> (that identity of mParticle's, unhashed, such as user:customer_id); 1 to 32 "
        "letters, digits and hyphens",
    )
    no_visitor_id: Literal["drop", "dead_letter"] = Field(
        "drop",
        description="what becomes of memberships whose user has no visitor id: left out and "
        "counted as no_visitor_id, or a dead letter",
    )
    batch_max_rows: int = Field(
        1000, ge=1, le=10_000, description="most rows (memberships) in one request"
    )
    batch_max_bytes: int = Field(
        1024 * 1024, ge=1024, le=20_000_000, description="largest body of one request, in bytes"
    )
    refresh_interval_days: int = Field(
        21,
        ge=0,
        le=27,
        description="udc: rows lapse after 30 days, so each member's is sent again within this "
        "time; 0 sends none again; needs the delete strategy overwrite",
    )

    @property
    def auth_method(self) -> Auth:
        return self.auth or ("oauth" if self.mode == "udc" else "body_key")

    @property
    def header_name(self) -> str:
        return self.auth_header or ("Authorization" if self.auth_method == "oauth" else "x-api-key")

    @property
    def account_number(self) -> int | str:
        """The account in `firehose`; text where a placeholder stands for the number."""
        account = self.account_id or ""
        return int(account) if account.isdecimal() else account

    @property
    def keeps_members(self) -> bool:
        """Returns whether members are kept: leaves must be sent, and only `udc` has rows."""
        return self.mode == "udc" and self.delete_strategy == "overwrite"

    @property
    def refreshes(self) -> bool:
        """Returns whether rows are sent again."""
        return self.keeps_members and self.refresh_interval_days > 0

    def url(self, endpoint: str) -> str:
        """Returns the URL of `segments`, `membership` or `subscription`."""
        path = self._path(endpoint).format(
            account=quote(self.account_id or "", safe=""),
            partner=quote(self.partner_name or "", safe=""),
        )
        return f"{self.base_url or _UDC_URL}{path}"

    def _path(self, endpoint: str) -> str:
        own = {"membership": self.membership_path, "subscription": self.subscription_path}
        return own.get(endpoint) or self.path_template or _PATHS[self.mode]

    def lacking(self) -> Sequence[str]:
        endpoints = ("segments",) if self.mode == "udc" else ("membership", "subscription")
        in_paths = {name for each in endpoints for name in fields(self._path(each))}
        needed = {
            "base_url": self.mode == "firehose",
            "account_id": self.mode == "firehose" or "account" in in_paths,
            "partner_name": "partner" in in_paths,
            "client_id": self.auth_method == "oauth",
            "client_secret": self.auth_method == "oauth",
            "api_key": self.auth_method in {"body_key", "header_key"},
        }
        return [name for name, is_needed in needed.items() if is_needed and not getattr(self, name)]

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.mode == "udc":
            self._check_udc()
        else:
            self._check_firehose()
        return self

    def _check_udc(self) -> None:
        if self.auth_method == "body_key":
            raise ValueError(
                "set ABTASTY_AUTH to oauth or header_key: rows have no place for a key"
            )
        if self.join_value == self.leave_value:
            raise ValueError("set ABTASTY_LEAVE_VALUE to something else than ABTASTY_JOIN_VALUE")

    def _check_firehose(self) -> None:
        if self.account_id and not re.fullmatch(r"[1-9]\d{0,17}", self.account_id):
            raise ValueError(
                "set ABTASTY_ACCOUNT_ID to the number of the mParticle account in firehose mode"
            )
        if self.identity != "mpid":
            raise ValueError(
                "set ABTASTY_IDENTITY to mpid: firehose mode sends mParticle's user id only"
            )
