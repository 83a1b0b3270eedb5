"""The commands, one file for each, or for a few that are alike."""
