"""What packshot costs, measured beside what people use instead.

Each module runs as `./run.sh bench NAME` (or `python -m benchmarks.NAME`), prints a table, and one
JSON line last.
"""
