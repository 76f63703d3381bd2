"""The waits of a worker's consumer, as a frozen value that its transport holds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EnginePolicy:
    """All durations are in seconds; without changes it is that of every worker."""

    commit_pause_s: float = 0.05
    """Between one commit and the next, while something ends."""
    commit_s: float = 5.0
    """After which a commit that nobody answers is given up, and asked for again."""
    ask_again_s: float = 1.0
    """After which a partition that could not be asked for its bounds is asked again."""
    join_again_s: float = 1.0
    """After which a join or a heartbeat that Kafka refused is tried again."""
    metadata_s: float = 5.0
    """For how long the leader of a group waits for topics that brokers do not know yet."""
    writers_hear_s: float = 15.0
    """After which whoever writes has heard of partitions that were added: their clients ask every
    ten seconds (`metadata_max_age_ms`), and an answer takes its time."""
    metadata_again_s: float = 0.1
    """Between two of its questions."""
