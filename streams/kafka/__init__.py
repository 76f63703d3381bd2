"""Kafka, a worker's own consumer aside: what topics hold, groups committed, a cluster grants."""
