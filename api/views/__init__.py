"""Rows as API documents, and images over HTTP."""
