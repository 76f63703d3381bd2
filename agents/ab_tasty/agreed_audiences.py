"""Keeps what all workers agree on of audiences: each one's name, and whether it had members."""

from collections.abc import Mapping

from agents.ab_tasty.mapping import segment_apart
from agents.ab_tasty.topics import AB_TASTY_AUDIENCES
from agents.agreed_names import AgreedNames
from models.accepted_audience import AcceptedAudience
from models.audience import Audience
from streams import metrics
from streams.settings import KafkaSettings

# A sender that makes up ids must not fill the metrics.
_MAX_NAMED = 1_000


class AgreedAudiences(AgreedNames):
    """Fixed names, so that a rename does not split a segment; and who has had a member."""

    def __init__(self, kafka: KafkaSettings | None, most_named: int = _MAX_NAMED) -> None:
        """No more than `most_named` audiences without a member are named on the metric."""
        super().__init__(kafka, AB_TASTY_AUDIENCES, "ab-tasty", segment_apart)
        self._connected: set[str] = set()
        self._disconnected: set[str] = set()
        self._named: set[str] = set()
        self._most_named = most_named

    def is_disconnected(self, audience_id: str) -> bool:
        return audience_id in self._disconnected

    async def accept(self, names: Mapping[str, str]) -> None:
        """Notes that a member of each of these was accepted."""
        for audience_id, name in names.items():
            known = self._known.get(audience_id)
            if (known and known.accepted) or self.is_full:
                continue
            named = known or AcceptedAudience(audience_id=audience_id, name=name)
            async with self._writing:
                await self._write(named.model_copy(update={"accepted": True}))

    def learn(self, audience: Audience) -> None:
        """Takes whether an audience is connected."""
        if audience.state == "connected":
            self._connected.add(audience.audience_id)
            self._disconnected.discard(audience.audience_id)
        else:
            self._connected.discard(audience.audience_id)
            self._disconnected.add(audience.audience_id)
        self._observe(audience.audience_id)

    def _note_name(self, audience: AcceptedAudience) -> None:
        super()._note_name(audience)
        self._observe(audience.audience_id)

    def _observe(self, audience_id: str) -> None:
        """Names an audience on the metric while it is connected and nobody in it was accepted."""
        known = self._known.get(audience_id)
        empty = audience_id in self._connected and not (known and known.accepted)
        if empty and len(self._named) < self._most_named:
            self._named.add(audience_id)
            metrics.AUDIENCES_WITHOUT_MEMBERS.labels(audience=audience_id).set(1)
        elif not empty and audience_id in self._named:
            self._named.discard(audience_id)
            metrics.AUDIENCES_WITHOUT_MEMBERS.remove(audience_id)
