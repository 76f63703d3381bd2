"""From a lane to an outcome: turns, retries and the circuit breaker."""
