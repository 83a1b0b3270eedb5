"""Judging a bundle's images: against another bundle's, against their prompts."""
