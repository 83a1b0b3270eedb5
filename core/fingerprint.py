"""Fingerprints: equal ones mean equal model input."""

import hashlib
import json
import re
import unicodedata

_SPACE = re.compile(r"\s+")


def canonical_text(text: str) -> str:
    """Fold `text` as the CLIP tokenizer does before it looks words up.

    NFC, lower case, white space runs to one blank. Source: CLIP's `basic_clean` and
    `whitespace_clean` (Radford et al. 2021, simple_tokenizer.py).
    """
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip().lower()


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
) -> str:
    """Digest everything that decides an image.

    Args:
        prompt: What to draw; compared in its canonical form.
        negative_prompt: What not to draw; the same.
        width: Pixels.
        height: Pixels.
        steps: Denoising steps.
        guidance_scale: Classifier-free guidance; every value up to 1 means none.
        scheduler: A name in `core.schedulers`.
        seed: The caller's, or None: then it is derived from this fingerprint.
        variant: From 1; two variants of one row differ only in this.
        bundle_revision: A new model never serves an old model's images.
        approximate: Whether the image may begin with another one's latents: it is then never
            found by those who did not agree to that.

    Returns:
        SHA-256, 64 hex digits.
    """
    guided = guidance_scale > 1
    canonical = {
        "prompt": canonical_text(prompt),
        # Without guidance the model never sees the negative prompt.
        "negative_prompt": canonical_text(negative_prompt) if guided else "",
        "width": width,
        "height": height,
        "steps": steps,
        "guidance_scale": round(float(guidance_scale), 4) if guided else 1.0,
        "scheduler": scheduler,
        "seed": seed,
        "variant": variant,
        "bundle": bundle_revision,
    }
    if approximate:
        canonical["approximate"] = True
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
