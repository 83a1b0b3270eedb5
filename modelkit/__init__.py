"""Making model bundles: export, INT8, training, evaluation, tuning. No server imports it."""
