"""Product sheets in, prompts out: reading, mapping, templates and checks."""
