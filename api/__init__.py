"""The HTTP API: thin routes in front of Postgres, Redis and S3; no model library is loaded."""
