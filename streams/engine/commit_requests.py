"""Makes commits of a size that Kafka takes, with as many runs as it lets."""

from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiokafka.errors import InvalidCommitOffsetSizeError, OffsetMetadataTooLargeError, UnknownError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.kafka.commit_metadata import MAX_LENGTH, Progress, encode

log = structlog.get_logger()

# A broker keeps a call as one batch of its own topic, a megabyte of it unless it is set otherwise.
_CALL_BYTES = 256 * 1024
# Beside its text a partition has the names of group and topic, and a few numbers.
_ENTRY_BYTES = 768

# A call above the topic's limit: the coordinator of today only says that something went wrong
# (Apache Kafka 4, GroupCoordinatorService.handleOperationException), the one before named it.
_CALL_TOO_LARGE = (InvalidCommitOffsetSizeError, UnknownError)

Call = Mapping[TopicPartition, OffsetAndMetadata]


class CommitRequests:
    """Learns what fits from what is refused; runs that do not fit are only repeated after a crash.

    `room` is how long a text may be, `most` how many bytes a call: both only shrink.
    """

    def __init__(self, commit: Callable[[Call], Awaitable[None]]) -> None:
        self.room = MAX_LENGTH
        self.most = _CALL_BYTES
        self._commit = commit

    async def offer(self, progress: Mapping[TopicPartition, Progress], cluster: str) -> None:
        """Commits all of it; raises what is refused for another reason than its size.

        And the refusal of its size, when one partition with no runs at all is too large.
        """
        left = dict(progress)
        while left:
            call = self._call(left, cluster)
            try:
                await self._commit(call)
            except (OffsetMetadataTooLargeError, *_CALL_TOO_LARGE) as error:
                if not self._learn(error, call, left, cluster):
                    raise
            else:
                left = {tp: each for tp, each in left.items() if tp not in call}

    def _call(self, progress: Mapping[TopicPartition, Progress], cluster: str) -> Call:
        """The first partitions that fit into one call, one at least."""
        call: dict[TopicPartition, OffsetAndMetadata] = {}
        size = 0
        for tp, each in progress.items():
            text = encode(each, cluster, self.room)
            size += len(text) + _ENTRY_BYTES
            if call and size > self.most:
                break
            call[tp] = OffsetAndMetadata(each.offset, text)
        return call

    def _learn(
        self,
        error: Exception,
        call: Call,
        progress: Mapping[TopicPartition, Progress],
        cluster: str,
    ) -> bool:
        """Returns whether to try again with less."""
        if isinstance(error, _CALL_TOO_LARGE) and len(call) > 1:
            # The size that the call had, not the allowed one: few partitions make a smaller call.
            size = sum(len(each.metadata) + _ENTRY_BYTES for each in call.values())
            self.most = min(self.most, size) // 2
            return True
        longest = max(len(each.metadata) for each in call.values())
        shortest = max(len(encode(progress[tp], cluster, 0)) for tp in call)
        if longest <= shortest:
            return False
        self.room = longest // 2
        log.warning("commit_too_large", error=type(error).__name__, most=self.room)
        return True
