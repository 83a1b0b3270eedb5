"""What decides an image: shared by a job, which asks for it, and a generation, which makes it."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class ImageParameters(SQLModel):
    """Everything the model is given for one image."""

    prompt: str
    negative_prompt: str = ""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    steps: int
    """Denoising steps."""
    guidance_scale: float
    """Classifier-free guidance; 1 or less switches it off."""
    scheduler: str
    """A name in `core.domain.schedulers`."""
    seed: int = Field(sa_type=BigInteger)
    """Seed of the row's noise; the caller's plus the variant, or derived from the fingerprint."""
