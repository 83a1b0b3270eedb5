"""Photographs that come in: told by their bytes, kept untouched, each once for its tenant."""
