"""What of a request a bundle's model sees at all; equal sights give equal images."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """How a bundle's model reads requests."""

    taught: tuple[str, ...] = ()
    """Tokens that its tokenizer was taught beside CLIP's, such as those of textual inversion."""
    embeds_guidance: bool = False
    """Whether the UNet takes the guidance scale as an input (as distilled ones do), whatever it
    is; then it sees no negative prompt."""
