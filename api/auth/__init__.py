"""Whose a request is, and how many a key may send."""
