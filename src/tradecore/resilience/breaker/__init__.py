"""The circuit breaker: its states and windows, what it tells, and what processes share of it."""
