"""Requests for images in: received, checked, submitted, and published after the commit."""
