"""A packshot server, as any client sees it."""
