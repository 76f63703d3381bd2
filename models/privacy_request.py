"""A person's request about their data: topic `privacy-requests`, never dropped."""

from typing import Annotated, Any, Literal

from pydantic import Field

from models.record import Record, Sparse


class DataSubjectRequest(Record):
    """A data-subject request; `identities` are the subject's. Times as mParticle wrote them.

    `mpids` are all of the subject's user ids where there are several; `mpid` is the first.
    """

    kind: Literal["data_subject_request"] = "data_subject_request"
    mpids: Sparse[tuple[str, ...]] = ()
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


class OptOutChanged(Record):
    """A user opted out of the collection of their data, or in again; the topic `events` has it too.

    `setting` is what the Firehose calls that which was switched.
    """

    kind: Literal["opt_out_changed"] = "opt_out_changed"
    is_opted_out: bool
    setting: Sparse[str | None] = None


PrivacyRequest = Annotated[
    DataSubjectRequest | ConsentChanged | OptOutChanged, Field(discriminator="kind")
]
