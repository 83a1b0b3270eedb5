"""A server of the Model Context Protocol: a packshot server as tools for agents (docs/mcp.md)."""
