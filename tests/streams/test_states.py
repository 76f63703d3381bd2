"""A state is told once, and told again only after another."""

from structlog.testing import capture_logs

from streams.worker.readiness_log import States


def test_a_state_is_told_when_it_changes_and_not_while_it_lasts() -> None:
    states = States()
    with capture_logs() as lines:
        states.tell("no_partitions", "no partitions assigned")
        for _ in range(3):
            states.tell("ready", None)
        for _ in range(3):
            states.tell("kafka_unreachable", "kafka_unreachable: look at the brokers")
        states.tell("ready", None)

    assert [(line["state"], line["log_level"]) for line in lines] == [
        ("no_partitions", "info"),
        ("ready", "info"),
        ("kafka_unreachable", "warning"),
        ("ready", "info"),
    ]
    assert lines[2]["detail"] == "kafka_unreachable: look at the brokers"
