"""Plumbing: Kafka in, records out, nothing of what a message means."""
