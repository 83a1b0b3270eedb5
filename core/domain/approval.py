"""What a person says of an image."""

from enum import StrEnum


class Approval(StrEnum):
    """What was said last of a job's image."""

    PENDING = "pending"
    """Nobody has judged it, or somebody took the judgement back."""
    APPROVED = "approved"
    """It may be given out."""
    REJECTED = "rejected"
    """It may not."""
