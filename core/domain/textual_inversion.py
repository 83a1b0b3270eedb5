"""Tokens of textual inversion that stand for several vectors."""

from collections.abc import Collection, Iterable


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
