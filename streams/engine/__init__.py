"""Brings records from Kafka as chunks, and commits what has ended of them."""
