"""Requests that wait: for images, for batches, and for what happens in a batch meanwhile."""
