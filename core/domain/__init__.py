"""What packshot speaks of, without anything that it runs on: pure, and imports nothing of ours."""
