"""The audience that owns a name at a destination: compacted, by the name.

Topics `ab-tasty-audiences` and `sailthru-audiences`, beside the audiences themselves.
"""

from models.record import Shape, Sparse


class OwnedName(Shape):
    """`owned` is the name, and `audience_id` the audience that took it first.

    `instead_of` is the name that this audience would have had if it were not another's.
    """

    owned: str
    audience_id: str
    instead_of: Sparse[str] = ""
