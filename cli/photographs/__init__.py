"""Photographs beside a sheet: found in a folder or a ZIP file, matched with rows, and sent."""
