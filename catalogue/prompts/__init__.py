"""Prompts: templates over a row's cells, and the words of titles and attributes."""
