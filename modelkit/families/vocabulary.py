"""CLIP's tokenizer, made from its merges.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", arXiv
2103.00020. Ids are the 256 bytes, the same 256 ending a word, the merges in their order, and the
start and the end of a text.
"""

from pathlib import Path

from transformers import CLIPTokenizer

MERGES = Path(__file__).with_name("clip") / "merges.txt"

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
MAX_TOKENS = 77

_VISIBLE = (range(ord("!"), ord("~") + 1), range(ord("¡"), ord("¬") + 1), range(ord("®"), 256))
"""Bytes that stand for themselves; the others are written as letters behind these."""


def clip_tokenizer(*, pad: str = END) -> CLIPTokenizer:
    """Make CLIP's tokenizer.

    Args:
        pad: What fills texts up: the end in Stable Diffusion 1.x, `!` in 2.x.
    """
    lines = MERGES.read_text(encoding="utf-8").splitlines()[1:]
    merges = [(left, right) for left, right in (line.split() for line in lines)]
    pieces = [*_letters(), *(letter + WORD_END for letter in _letters())]
    pieces += [left + right for left, right in merges]
    return CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate([*pieces, START, END])},
        merges=merges,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=pad,
        model_max_length=MAX_TOKENS,
    )


def save_clip_tokenizer(folder: Path, *, pad: str) -> None:
    """Write CLIP's tokenizer, as new and old readers look for it."""
    tokenizer = clip_tokenizer(pad=pad)
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))


def _letters() -> list[str]:
    """Return a visible letter for each byte, in CLIP's order."""
    visible = [byte for one in _VISIBLE for byte in one]
    hidden = [byte for byte in range(256) if byte not in visible]
    return [*map(chr, visible), *(chr(256 + number) for number in range(len(hidden)))]
