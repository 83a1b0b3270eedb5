"""`packshot model`: the bundles that this machine has."""
