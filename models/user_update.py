"""A change of a user's attributes or identities: topic `user-update`."""

from typing import Annotated, Literal

from pydantic import Field

from models.record import Identity, Record, Sparse, Value


class AttributesChanged(Record):
    """Attributes that were set, and names that were removed. A name stands in one of the two."""

    kind: Literal["attributes_changed"] = "attributes_changed"
    attributes: Sparse[dict[str, Value]] = Field(default_factory=dict)
    removed: Sparse[tuple[str, ...]] = ()

    superseded_by = "raw position"


class IdentitiesChanged(Record):
    """Identities that were added and removed; one type in both is a change from old to new."""

    kind: Literal["identities_changed"] = "identities_changed"
    added: Sparse[tuple[Identity, ...]] = ()
    removed: Sparse[tuple[Identity, ...]] = ()


UserUpdate = Annotated[AttributesChanged | IdentitiesChanged, Field(discriminator="kind")]
