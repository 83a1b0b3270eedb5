"""Images of photographs, which need no model: fetched, cut out, and placed beside the engine."""
