"""Prompts as a model reads them: folded, and with tokens of textual inversion written out."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import lru_cache

_SPACE = re.compile(r"[^\S\x1c-\x1f]+")
"""Python counts four control characters as white space that Unicode does not."""

SPECIAL_TOKENS = ("<|startoftext|>", "<|endoftext|>")
"""The tokenizer takes these out before it folds anything, and only as they are written here."""


def canonical_text(text: str, taught: Collection[str] = ()) -> str:
    """Normalise `text` as the CLIP tokenizer does before it looks words up.

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


def has_vectors(added: Collection[str]) -> bool:
    """Check whether a tokenizer has a token of several vectors, by the tokens that were added."""
    return any(f"{token}_1" in added for token in added)


def write_out(text: str, tokens: Iterable[str], added: Collection[str]) -> str:
    """Write out tokens of several vectors: `<cat>` becomes `<cat> <cat>_1 <cat>_2`.

    Does what `TextualInversionLoaderMixin.maybe_convert_prompt` of diffusers does, so that a text
    means what it means there (Gal et al. 2022, "An Image is Worth One Word", arXiv 2208.01618).

    Args:
        text: A prompt.
        tokens: Its tokens, as the tokenizer gives them before they are cut.
        added: The tokenizer's added tokens.
    """
    for token in dict.fromkeys(tokens):
        if token not in added:
            continue
        vectors = [token]
        while f"{token}_{len(vectors)}" in added:
            vectors.append(f"{token}_{len(vectors)}")
        text = text.replace(token, " ".join(vectors))
    return text
