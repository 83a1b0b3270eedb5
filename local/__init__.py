"""The embedded stack: Postgres, Valkey, S3 and packshot's own processes, with no Docker."""
