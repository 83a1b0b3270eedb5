"""Segmentation networks of other people: recognised by their graphs, and added."""
