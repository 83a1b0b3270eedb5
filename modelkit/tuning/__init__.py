"""Finding the plan that makes most of this machine, by measuring."""
