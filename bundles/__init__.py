"""Making model bundles: export, manifests, and the starter model."""
