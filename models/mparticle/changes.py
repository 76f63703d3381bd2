"""Events that tell of a change of the user, in both vocabularies.

Firehose Java SDK (`UserAttributeChangeEvent`, `UserIdentityChangeEvent`); mParticle docs, "JSON
Reference".
"""

from typing import Annotated

from pydantic import AliasChoices, Field

from models.mparticle.base_event import Happened
from models.mparticle.values import Attributes, AttributeValue, Detail, Flag, Words


class AttributesChange(Happened):
    """The Firehose's `user_attribute_change`: names with new values, names with lost values."""

    added: Attributes = Field(default_factory=dict)
    removed: Attributes = Field(default_factory=dict)


class AttributeChange(Happened):
    """A batch's `user_attribute_change`; `new` is null for a tag too, so `deleted` decides."""

    user_attribute_name: Annotated[Words, Field(min_length=1)]
    new: AttributeValue = None
    deleted: Flag = False


class IdentitiesChange(Happened):
    """A `user_identity_change`: lists in the Firehose, single identities or null in batches."""

    added: Detail = Field(None, validation_alias=AliasChoices("added", "new"))
    removed: Detail = Field(None, validation_alias=AliasChoices("removed", "old"))
