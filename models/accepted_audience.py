"""An audience as a destination holds it: compacted, by its id.

Topics `ab-tasty-audiences` and `sailthru-audiences`.
"""

from models.record import Shape, Sparse


class AcceptedAudience(Shape):
    """The name that was fixed when the audience was first seen, and whether it has had a member.

    `accepted` is True from the first member on whom AB Tasty took.
    """

    audience_id: str
    name: str
    accepted: Sparse[bool] = False
