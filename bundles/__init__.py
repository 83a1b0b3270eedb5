"""The format of model bundles, as servers read it."""
