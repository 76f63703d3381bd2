"""Talks to Kafka, but for a worker's own consumer: clients, topics, groups and rights."""
