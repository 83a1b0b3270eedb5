"""The JSON that goes in and out, a file per resource."""
