"""Kafka in, watermarks out: chunks, offsets, and what Faust has to be told otherwise."""
