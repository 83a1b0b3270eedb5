"""The worker: takes queued generations and computes them in micro-batches."""
