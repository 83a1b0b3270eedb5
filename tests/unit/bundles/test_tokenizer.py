import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from core.domain.texts import canonical_text
from starter.scenes.captions import corpus
from starter.tokenizer import (
    END,
    MAX_TOKENS,
    START,
    VOCABULARY,
    build_tokenizer,
    save_tokenizer,
)

TOKENIZER = build_tokenizer(corpus())


def ids(text: str) -> list[int]:
    return TOKENIZER(text, truncation=True, max_length=MAX_TOKENS).input_ids


def test_ids_have_no_gaps_and_special_tokens_come_last():
    vocabulary = TOKENIZER.get_vocab()
    assert sorted(vocabulary.values()) == list(range(VOCABULARY))
    assert (vocabulary[START], vocabulary[END]) == (VOCABULARY - 2, VOCABULARY - 1)


def test_training_twice_gives_the_same_vocabulary():
    assert build_tokenizer(corpus()).get_vocab() == TOKENIZER.get_vocab()


def test_the_captions_words_are_whole_tokens():
    words = ["pair", "of", "red", "mug", "on", "a", "wooden", "table"]
    assert len(ids(" ".join(words))) == len(words) + 2


def test_case_space_and_composition_do_not_matter():
    assert ids("  Café \n CHAIR\t") == ids("café chair") == ids("cafe\u0301 chair")


@pytest.mark.parametrize(
    "text",
    [
        "ΣΊΣΥΦΟΣ",
        "ΜΠΛΕ ΚΑΦΈΣ ΣΑΣ",
        "İSTANBUL IŞIK",
        "КРАСНАЯ КРУЖКА Ё",
        "GROẞE STRASSE",
        "ԿԱՐՄԻՐ ԲԱԺԱԿ",
        "ᲬᲘᲗᲔᲚᲘ ჭიქა",
        "ꮳꮃꭹ ᏣᎳᎩ",
        "كوب أحمر",
        "ספל אדום",
        "लाल मग ड़",
        "แก้วสีแดง",
        "红色 杯子",
        "赤い　マグ ｶﾞ",
        "빨간 머그 각",
        "🎉 🇬🇷 👩‍👩‍👧",
        "ǅ ǈ Ⅷ Ⓐ 𝐀 𐐀",
        "a\x1cb\x1fc\x85d\u00a0e\u2028f\u200bg\ufeffh",
        "\x1cA\x1d",
        "e\u0301 \u212b \u2126 \ufb01",
        "<|ENDOFTEXT|> <|endoftext|>",
        "a<|endoftext|>\u0338",
    ],
)
def test_a_folded_text_has_the_tokens_of_the_text(text: str):
    assert ids(canonical_text(text)) == ids(text)


@given(st.text(max_size=50))
def test_any_folded_text_has_the_tokens_of_the_text(text: str):
    assert ids(canonical_text(text)) == ids(text)


@given(st.text(alphabet="aAßΣσςİıÅå<|endoftext|> \t\x1c\u0307\u0338\u0301", max_size=20))
def test_texts_that_fold_to_one_have_the_same_tokens(text: str):
    for other in (text.upper(), text.lower(), text.swapcase(), unicodedata.normalize("NFD", text)):
        if canonical_text(text) == canonical_text(other):
            assert ids(text) == ids(other)


@given(st.text(max_size=200))
def test_any_text_has_ids_between_its_ends(text):
    found = ids(text)
    assert found[0] == VOCABULARY - 2
    assert found[-1] == VOCABULARY - 1
    assert len(found) <= MAX_TOKENS
    assert all(0 <= token < VOCABULARY - 2 for token in found[1:-1])


@pytest.mark.parametrize("text", ["Größe 日本 🎉", "quixotic", "a<b>&c;'s"])
def test_unknown_words_keep_every_byte(text):
    pieces = TOKENIZER.convert_ids_to_tokens(ids(text)[1:-1])
    letters = sum(len(piece.removesuffix("</w>")) for piece in pieces)
    assert letters == len("".join(text.lower().split()).encode())


def test_a_saved_tokenizer_reads_without_transformers(tmp_path):
    save_tokenizer(TOKENIZER, tmp_path)
    light = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert light.encode("A dotted Blue vase, 12 cm").ids == ids("A dotted Blue vase, 12 cm")
    assert json.loads((tmp_path / "vocab.json").read_text()) == TOKENIZER.get_vocab()
    assert (tmp_path / "merges.txt").is_file()
