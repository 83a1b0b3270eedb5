"""Segmentation networks: what is known of their files, and how they are run."""
