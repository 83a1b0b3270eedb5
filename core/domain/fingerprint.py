"""Fingerprints: equal ones mean equal model input."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache, partial

from core.domain.model_input import ModelInput

_SPACE = re.compile(r"[^\S\x1c-\x1f]+")
"""Python counts four control characters as white space that Unicode does not."""

SPECIAL_TOKENS = ("<|startoftext|>", "<|endoftext|>")
"""The tokenizer takes these out before it folds anything, and only as they are written here."""


def canonical_text(text: str, taught: Collection[str] = ()) -> str:
    """Fold `text` as the CLIP tokenizer does before it looks words up.

    NFC, white space runs to one blank, lower case, letter by letter: a capital sigma becomes the
    same letter at the end of a word as elsewhere. Source: CLIP's `basic_clean` and
    `whitespace_clean` (Radford et al. 2021, simple_tokenizer.py), as `transformers.CLIPTokenizer`
    has them. A text with one of CLIP's two special tokens, or one that the tokenizer was taught,
    stays as it is: they may be told apart by how they are written.

    Args:
        text: A prompt.
        taught: The tokenizer's tokens beside CLIP's.
    """
    folded = _fold(text)
    if any(token in text or _fold(token) in folded for token in (*SPECIAL_TOKENS, *taught)):
        return text
    return folded


@lru_cache(maxsize=4096)
def _fold(text: str) -> str:
    spaced = _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")
    # An ASCII letter has one lower case, wherever it stands.
    return spaced.lower() if spaced.isascii() else "".join(map(str.lower, spaced))


def fingerprint(
    *,
    prompt: str,
    negative_prompt: str,
    width: int,
    height: int,
    steps: int,
    guidance_scale: float,
    scheduler: str,
    seed: int | None,
    variant: int,
    bundle_revision: str,
    approximate: bool = False,
    reads: ModelInput = ModelInput(),  # noqa: B008 - it is frozen
) -> str:
    """Digest everything that decides an image.

    Args:
        prompt: What to draw; compared in its canonical form.
        negative_prompt: What not to draw; the same.
        width: Pixels.
        height: Pixels.
        steps: Denoising steps.
        guidance_scale: Classifier-free guidance; every value up to 1 means none, unless the UNet
            takes it as an input.
        scheduler: A name in `core.domain.schedulers`.
        seed: The caller's, or None: then it is derived from this fingerprint.
        variant: From 1; two variants of one row differ only in this, or in the seed that
            `variant_seed` makes of it.
        bundle_revision: A new model never serves an old model's images.
        approximate: Whether the image may begin with another one's latents: it is then never
            found by those who did not agree to that.
        reads: What of all this the bundle's model sees.

    Returns:
        SHA-256, 64 hex digits.
    """
    guided = guidance_scale > 1 and not reads.embeds_guidance
    sees_scale = guided or reads.embeds_guidance
    fold = partial(canonical_text, taught=reads.taught)
    if seed is not None:
        seed, variant = variant_seed(seed, variant), 1
    canonical = {
        "prompt": fold(prompt),
        # Without guidance the model never sees the negative prompt.
        "negative_prompt": fold(negative_prompt) if guided else "",
        "width": width,
        "height": height,
        "steps": steps,
        # Not rounded: 1.00001 is guided and 1 is not. Adding 0 makes -0.0 the 0.0 that it is.
        "guidance_scale": float(guidance_scale) + 0.0 if sees_scale else 1.0,
        "scheduler": scheduler,
        "seed": seed,
        "variant": variant,
        "bundle": bundle_revision,
    }
    if approximate:
        canonical["approximate"] = True
    if reads.taught:
        # Apart from those that were made when all texts were folded.
        canonical["texts"] = "as written"
    encoded = json.dumps(canonical, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(encoded.encode()).hexdigest()


def derived_seed(digest: str) -> int:
    """Make the seed of a request that gave none: 63 bits of its fingerprint.

    The same prompt then gives the same image, on every machine and in every run.
    """
    return int(digest[:16], 16) >> 1


def sku_seed(sku: str) -> int:
    """Make the seed of a product from its SKU: 63 bits, the same for every prompt.

    SKUs are compared as they are written, in NFC.
    """
    encoded = unicodedata.normalize("NFC", sku).encode()
    return derived_seed(hashlib.sha256(b"sku:" + encoded).hexdigest())


def variant_seed(seed: int, variant: int) -> int:
    """Make the seed of a variant from the caller's; the first variant has the caller's own."""
    return (seed + variant - 1) % 2**63
