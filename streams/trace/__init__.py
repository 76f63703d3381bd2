"""What became of records, as far as Kafka alone tells."""
