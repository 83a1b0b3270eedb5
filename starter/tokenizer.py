"""The starter model's own tokenizer: byte-level BPE in CLIP's format."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tokenizers import pre_tokenizers  # type: ignore[import-untyped, unused-ignore]
from transformers import CLIPTokenizer

START = "<|startoftext|>"
END = "<|endoftext|>"
WORD_END = "</w>"
MAX_TOKENS = 77
VOCABULARY = 1024
"""256 bytes, the same 256 as word ends, the merges, and the two special tokens."""

# The captions have a few hundred words. English pieces around them give other shop words short
# and stable ids, although the model learns no meaning for them.
_SHOP_WORDS = """
cotton leather ceramic glass metal plastic linen wool silk steel bamboo paper rubber canvas denim
small medium large extra mini maxi set pack pair piece size colour color style modern classic
vintage handmade organic soft warm light dark navy gold silver turquoise cream natural kids
women men unisex summer winter spring autumn home kitchen office garden sport travel outdoor gift
dress jacket trousers jeans skirt sofa table desk plate bowl glass knife pillow blanket towel
phone headphones camera keyboard book toy bicycle perfume candle necklace ring sunglasses boots
front side view isolated studio professional realistic detailed blurry watermark text quality
"""
_OTHER_WORDS = _SHOP_WORDS.split() * 3


def build_tokenizer(captions: Sequence[str]) -> CLIPTokenizer:
    """Train the tokenizer; the same captions always give the same vocabulary.

    Text is NFC-normalised, folded to single spaces and lower-cased, as CLIP's is. Any text at all
    has ids, because every byte is in the vocabulary. `<|endoftext|>` pads, as in Stable
    Diffusion. Ids have no gaps: 256 bytes, the same 256 ending a word, the merges in their
    order, and the two special tokens last.

    Args:
        captions: What it is trained on.
    """
    merges = _train_merges([*captions, *_OTHER_WORDS])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    pieces += [left + right for left, right in merges]
    pieces += [START, END]
    return CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))},
        merges=merges,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        model_max_length=MAX_TOKENS,
    )


def _train_merges(corpus: Sequence[str]) -> list[tuple[str, str]]:
    """Join the commonest pair of pieces again and again (Sennrich et al., 2016).

    The trainer in `tokenizers` breaks ties by the order of a hash table, another one each time.
    """
    clip = CLIPTokenizer().backend_tokenizer
    counts: Counter[str] = Counter()
    for text in corpus:
        folded = clip.normalizer.normalize_str(text)
        counts.update(word for word, _ in clip.pre_tokenizer.pre_tokenize_str(folded))
    words = {(*word[:-1], word[-1] + WORD_END): count for word, count in counts.items()}
    merges: list[tuple[str, str]] = []
    while len(merges) < VOCABULARY - 2 * 256 - 2:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        merges.append(max(pairs, key=lambda pair: (pairs[pair], pair)))
        words = {_merge(word, merges[-1]): count for word, count in words.items()}
    return merges


def _merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    if pair[0] not in word:
        return word
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return tuple(merged)


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write tokenizer.json, and the older vocab.json and merges.txt that CLIP readers look for."""
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))
