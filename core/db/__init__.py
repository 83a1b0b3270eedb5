"""Postgres: connections, locks, many rows at once, and the tables."""
