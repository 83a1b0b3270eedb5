"""The network that cuts products out of rooms: what it learns from, and how it is trained."""
