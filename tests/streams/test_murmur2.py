"""Keys are spread as Kafka's own clients do it."""

from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.murmur2 import murmur2


@given(st.binary(max_size=300))
def test_a_key_is_hashed_as_kafkas_clients_do(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF
