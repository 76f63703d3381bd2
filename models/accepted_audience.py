"""What a destination holds of an audience: topic `ab-tasty-audiences`, compacted, by its id."""

from models.record import Shape, Sparse


class AcceptedAudience(Shape):
    """The name that was fixed when the audience was first seen, and whether it has had a member.

    `accepted` is True from the first member on whom the destination took.
    """

    audience_id: str
    name: str
    accepted: Sparse[bool] = False
