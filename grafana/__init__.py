"""What an operator looks at, and what Prometheus is told."""
