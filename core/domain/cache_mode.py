"""What a request wants of the caches of finished images and of running work."""

from enum import StrEnum


class CacheMode(StrEnum):
    """Chosen by request, else by API key, else by setting."""

    USE = "use"
    """A stored image answers; running work is joined; else it is computed and stored."""
    REFRESH = "refresh"
    """Computed anew, or joined to what is being computed; it replaces the stored image."""
    BYPASS = "bypass"
    """Computed for this request alone: it reads nothing, joins nothing, and answers nobody else."""
