"""A person's request about their data: topic `privacy-requests`, never dropped."""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.record import Record, Sparse


class DataSubjectRequest(Record):
    """A data-subject request; `identities` are the subject's. Times as mParticle wrote them."""

    kind: Literal["data_subject_request"] = "data_subject_request"
    request_id: Sparse[str | None] = None
    request_type: str
    regulation: Sparse[str | None] = None
    submitted_at: Sparse[str | None] = None


class ConsentChanged(Record):
    """A consent given or withdrawn, as mParticle's system notification says it."""

    kind: Literal["consent_changed"] = "consent_changed"
    regulation: str
    purpose: Sparse[str | None] = None
    old: Sparse[dict[str, Any] | None] = None
    new: Sparse[dict[str, Any] | None] = None


PrivacyRequest = Annotated[DataSubjectRequest | ConsentChanged, Field(discriminator="kind")]
