"""Scenes: products of photographs in backgrounds that the engine draws without them."""
