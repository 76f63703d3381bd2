"""What one worker wants of the rate limits it shares: topic `rate-limits`, by worker."""

from collections.abc import Mapping

from models.record import Shape


class EndpointDemand(Shape):
    """`wanted` is the part of the limit that the worker would use, from 0 to 1.

    `used` is how many requests it has sent since it started.
    """

    wanted: float
    used: int


class RateDemand(Shape):
    """`beat` counts the seconds in which the worker has told; word in between repeats it."""

    beat: int
    endpoints: Mapping[str, EndpointDemand]
