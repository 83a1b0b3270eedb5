"""What packshot costs, measured beside what people use instead.

Each module runs as `python -m benchmarks.NAME` in the environment, prints a table, and one
JSON line last.
"""
