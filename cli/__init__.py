"""The `packshot` command, and the HTTP client that it uses."""
