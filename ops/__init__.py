"""Processes that need no model: housekeeping, webhook delivery, Flower."""
