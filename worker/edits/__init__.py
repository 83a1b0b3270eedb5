"""Edits: photographs that the engine draws over."""
