"""Tokens merged in a UNet's attention."""
