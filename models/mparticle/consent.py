"""Consent changes, as mParticle's system notifications tell them in both vocabularies.

Firehose Java SDK (`notification`, `consent`) and mParticle docs, "Data Privacy Controls". SDK 1.9
named a consent's time `timestamp`.
"""

from typing import Literal

from pydantic import AliasChoices, AliasPath, Field

from models.mparticle.values import Arriving, Detail, Words


class Consent(Arriving):
    """A consent; for CCPA, `consented` means that the user opted out of the sale of their data."""

    consented: Detail = None
    regulation: Detail = None
    document: Detail = None
    location: Detail = None
    hardware_id: Detail = None
    timestamp_unixtime_ms: Detail = Field(
        None, validation_alias=AliasChoices("timestamp_unixtime_ms", "timestamp")
    )


class ConsentNotification(Arriving):
    """One change of one consent; `type` begins with the regulation."""

    type: Literal["gdpr_consent_state", "ccpa_consent_state", "gdpr_change", "ccpa_change"]
    purpose: Words | None = Field(
        None, validation_alias=AliasChoices("purpose", AliasPath("data", "purpose"))
    )
    old: Consent | None = Field(
        None,
        validation_alias=AliasChoices(
            "old_gdpr_consent_state", "old_ccpa_consent_state", AliasPath("data", "old")
        ),
    )
    new: Consent | None = Field(
        None,
        validation_alias=AliasChoices(
            "new_gdpr_consent_state", "new_ccpa_consent_state", AliasPath("data", "current")
        ),
    )
