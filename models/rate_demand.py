"""One worker's demand on the rate limits it shares: topic `rate-limits`, by worker."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from models.record import Shape


class EndpointDemand(Shape):
    """`wanted` is the part of the limit that the worker would use, from 0 to 1.

    `used` is how many requests it has sent since it started.
    """

    wanted: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    used: Annotated[int, Field(ge=0)]


class RateDemand(Shape):
    """`beat` counts the seconds in which the worker has told; word in between repeats it."""

    beat: int
    endpoints: Mapping[str, EndpointDemand]
