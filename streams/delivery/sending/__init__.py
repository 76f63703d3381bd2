"""Sends what waits in lanes: turns, decisions, retries and the circuit breaker."""
