"""Rates, quotas and the pace: what may pass, where it is counted, and what holds while the shared store is gone."""
