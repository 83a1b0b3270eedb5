"""What the API and the workers agree on: settings, rows, states, queue and storage."""

__version__ = "0.1.0"
