"""What an API key may do."""

from enum import StrEnum


class Scope(StrEnum):
    """A key has any of these; none includes another."""

    READ = "read"
    """See the tenant's images, batches and settings."""
    SUBMIT = "submit"
    """Ask for images, and cancel or retry what was asked for."""
    REVIEW = "review"
    """Look at images that wait for approval, approve and reject them."""
    PUBLISH = "publish"
    """Put images into the tenant's stores, and take them back."""
    ADMIN = "admin"
    """Manage the tenant's keys, and delete what is stored."""
