"""The API's processes: how they start, and what they count together."""
