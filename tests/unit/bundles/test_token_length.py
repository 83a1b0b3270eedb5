"""How much of a text a model reads: never more than its text encoder has places for."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bundles.layout import load_tokenizer, save_tokenizer
from bundles.model_input import read_model_input
from catalogue.prompts.tokens import TokenLimit
from core.errors import BundleError
from worker.tokenizer import Tokenizer

CONFIG = "tokenizer/tokenizer_config.json"
ENCODER = "text_encoder/config.json"


def change(path: Path, **values: Any) -> None:
    """Change values of a JSON file; None takes one out."""
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: one for name, one in content.items() if one is not None}))


@pytest.fixture
def model(microscopic: Path, tmp_path: Path) -> Path:
    return shutil.copytree(microscopic, tmp_path / "model")


@pytest.mark.parametrize(
    ("named", "positions", "length"),
    [
        (77, 77, 77),
        (None, 77, 77),
        (None, 40, 40),
        (10**30, 77, 77),
        (512, 77, 77),
        (64, 77, 64),
        (77, None, 77),
        (None, None, 77),
        (0, 77, 77),
    ],
)
def test_the_shorter_of_tokenizer_and_text_encoder_counts(model, named, positions, length):
    change(model / CONFIG, model_max_length=named)
    change(model / ENCODER, max_position_embeddings=positions)
    assert load_tokenizer(model).model_max_length == length
    assert Tokenizer(model).ids(["a mug", "mug " * 100]).shape == (2, length)

    save_tokenizer(model, model / "saved" / "tokenizer")
    said = json.loads((model / "saved" / CONFIG).read_text())
    assert said["model_max_length"] == length


def test_a_length_without_room_for_a_word_is_refused(model):
    change(model / CONFIG, model_max_length=2)
    with pytest.raises(BundleError, match=r"reads? 2 tokens.*tokenizer_config\.json"):
        load_tokenizer(model)


def test_tokens_that_stand_beside_a_tokenizer_come_into_it(model):
    (model / "tokenizer" / "added_tokens.json").write_text('{"<cat>": 1024, "<cat>_1": 1025}')
    assert "<cat>" not in (model / "tokenizer" / "tokenizer.json").read_text()
    saved = model / "saved"
    save_tokenizer(model, saved / "tokenizer")
    assert set(read_model_input(saved).taught) == {"<cat>", "<cat>_1"}
    limit = TokenLimit(saved / "tokenizer", max_tokens=7)
    assert limit.cut_off(["<cat> <cat>", "<cat> <cat> on a table"]) == {
        "<cat> <cat> on a table": "a table"
    }


@pytest.mark.parametrize(
    ("prompt", "cut"), [("茶" * 20, True), ("茶" * 3, False), ("mug" * 2, False)]
)
def test_characters_of_several_tokens_are_counted_so(model, prompt: str, cut: bool):
    limit = TokenLimit(model / "tokenizer", max_tokens=20)
    assert (prompt in limit.cut_off([prompt])) == cut


def test_a_padding_mark_is_nothing_that_a_tokenizer_was_taught(model):
    change(model / CONFIG, pad_token="!")
    save_tokenizer(model, model / "saved" / "tokenizer")
    assert read_model_input(model / "saved").taught == ()
