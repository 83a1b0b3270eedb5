"""The service for sheets: each is read by a process that can be ended (decision 0039)."""
