"""Calls made again: when, how often, for which errors, and what may never be repeated."""
