"""How properties run here: the same examples every time, and few."""

from hypothesis import HealthCheck, settings

SMALL = settings(
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
# Of each schedule: enough for several commits and re-assignments.
STEPS = settings(SMALL, max_examples=80, stateful_step_count=60)
