"""The boards by name, and the ways between them."""

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TAG = "mparticle-streams"


def uid(name: str) -> str:
    return f"{TAG}-{name}"


def _link(title: str, name: str) -> DashboardLink:
    """To another board, with the same time and the same choices."""
    return (
        DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid(name)}?${{__url_time_range}}&${{__all_variables}}")
    )


OVERVIEW = _link("Overview", "overview")
ROUTER = _link("Router", "router")
DESTINATIONS = (_link("Sailthru", "sailthru"), _link("AB Tasty", "ab-tasty"))
ENGINE = _link("Kafka and engine", "kafka-and-engine")
DEAD_LETTERS = _link("Dead letters", "dead-letters")
# Of a series that has the label.
ITS_DESTINATION = _link("Its destination", "${__field.labels.destination}")

OTHERS = (
    DashboardLink("Boards")
    .type(DashboardLinkType.DASHBOARDS)
    .tags([TAG])
    .include_vars(True)
    .keep_time(True)
)
