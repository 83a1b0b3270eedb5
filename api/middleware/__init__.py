"""What every request goes through before its route: ids, counts, limits, the way of sheets."""
