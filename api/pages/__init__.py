"""Pages for people, rendered here: no script, and nothing from elsewhere."""
