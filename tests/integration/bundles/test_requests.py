"""Texts and numbers reach the model as they reach diffusers'; fingerprints tell what it sees."""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from bundles.model_input import read_model_input
from catalogue.prompts.tokens import TokenLimit
from core.domain.image_request import ImageRequest
from core.domain.image_spec import ModelInput
from core.domain.lanes import Lane
from core.domain.texts import canonical_text, write_out
from modelkit.export.build import build
from tests.integration.bundles.kinds import embed_guidance, load, save_loud, teach
from tests.integration.model.conftest import psnr
from tests.specs import apart, made_by
from worker.engine import Engine
from worker.pipeline import Pipeline
from worker.rows import RowRequest
from worker.tokenizer import Tokenizer

SAME_AS_DIFFUSERS_DB = 40.0

PATIENCE = 300

KINDS: Mapping[str, tuple[Callable[[Path], None], ...]] = {
    "plain": (),
    "taught and distilled": (teach, embed_guidance),
}

BASE: dict[str, Any] = {
    "prompt": "a red mug",
    "negative_prompt": "",
    "width": 32,
    "height": 32,
    "steps": 2,
    "guidance_scale": 3.0,
    "scheduler": "ddim",
    "seed": 1,
    "variant": 1,
}

ALIKE_SOMEWHERE: list[dict[str, Any]] = [
    {},
    {"prompt": "A  RED Mug\n"},
    {"prompt": "a red mug <cat>"},
    {"prompt": "a red mug <CAT>"},
    {"prompt": "a red mug Sofa"},
    {"prompt": "a red mug sofa"},
    {"prompt": "ΜΠΛΕ ΣΙΣΥΦΟΣ"},
    {"prompt": "μπλε σισυφοσ"},
    {"prompt": "μπλε σισυφος"},
    {"prompt": "a\x1cmug"},
    {"prompt": "a mug"},
    {"prompt": "a mug <|endoftext|> b"},
    {"prompt": "a mug <|ENDOFTEXT|> b"},
    {"negative_prompt": "blue wood"},
    {"guidance_scale": 1.0},
    {"guidance_scale": 1.0, "negative_prompt": "blue wood"},
    {"guidance_scale": 0.0},
    {"guidance_scale": -0.0},
    {"guidance_scale": 0.0, "negative_prompt": "blue wood"},
    {"guidance_scale": 3},
    {"guidance_scale": 9.0},
    {"width": 48},
    {"height": 48},
    {"steps": 3},
    {"scheduler": "euler"},
    {"scheduler": "euler_ancestral"},
    {"seed": 2},
    {"variant": 2},
    {"seed": 2, "variant": 2},
    {"seed": 3},
]
"""Requests of which some give the same image with some kinds of model."""


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_loud(tmp_path_factory.mktemp("source") / "loud")
    for change in KINDS[request.param]:
        change(folder)
    return folder


@pytest.fixture(scope="module")
def made(model: Path) -> Path:
    build(model, model.parent / "bundle", precision="fp32")
    return model.parent / "bundle"


@pytest.fixture(scope="module")
def engine(made: Path) -> Iterator[Engine]:
    engine = Engine.of_one(Pipeline(made), row_limit=8)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def theirs(model: Path) -> StableDiffusionPipeline:
    return load(model)


def draw(engine: Engine, **changes: Any) -> Any:
    """Begin an image, as a worker begins what was wanted."""
    one = wanted(**changes)
    spec = one.decided(one.fingerprint())
    return engine.submit(RowRequest(identity=uuid4(), lane=Lane.STANDARD, spec=spec))


def wanted(reads: ModelInput | None = None, **changes: Any) -> ImageRequest:
    return ImageRequest(**apart(BASE | changes), model=made_by("r1", reads=reads or ModelInput()))


def test_requests_have_one_fingerprint_where_they_have_one_image_and_nowhere_else(engine, made):
    reads = read_model_input(made)
    tickets = [draw(engine, **changes) for changes in ALIKE_SOMEWHERE]
    images = [ticket.result(PATIENCE).image for ticket in tickets]
    digests = [wanted(reads, **changes).fingerprint() for changes in ALIKE_SOMEWHERE]
    for one, other in combinations(range(len(images)), 2):
        alike = np.array_equal(images[one], images[other])
        asked = ALIKE_SOMEWHERE[one], ALIKE_SOMEWHERE[other]
        texts = {(BASE | each)["prompt"] for each in asked}
        if reads.taught and len(texts) == 2 and len(set(map(canonical_text, texts))) == 1:
            # Some ways to write a taught token are one, some are not: none is taken for another.
            assert alike or digests[one] != digests[other], asked
            continue
        assert (digests[one] == digests[other]) == alike, asked


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "a red mug <cat> on a table"},
        {"prompt": "<CAT> and <one>"},
        {"prompt": "Sofa sofa SOFA", "negative_prompt": "<cat>"},
        {"prompt": "<cat>" * 40},
        {"prompt": "ΣΊΣΥΦΟΣ mug"},
        {"guidance_scale": 0.0},
        {"guidance_scale": 1.0, "negative_prompt": "blue wood"},
        {"guidance_scale": 6.0, "negative_prompt": "blue wood"},
    ],
    ids=str,
)
def test_an_image_is_diffusers_own(engine, theirs, changes):
    ours = draw(engine, **changes).result(PATIENCE).image
    asked = BASE | changes
    (image,) = theirs(
        asked["prompt"],
        negative_prompt=asked["negative_prompt"],
        num_inference_steps=asked["steps"],
        guidance_scale=asked["guidance_scale"],
        width=asked["width"],
        height=asked["height"],
        generator=torch.Generator().manual_seed(asked["seed"]),
    ).images
    assert psnr(ours, np.asarray(image)) >= SAME_AS_DIFFUSERS_DB


TEXTS = [
    "a <cat>",
    "<cat>, <one> and Sofa",
    "SOFA <CAT>",
    "<cat>_2 <cat>",
    "a mug",
    "",
    "<|endoftext|>",
]


def test_texts_are_written_out_as_diffusers_does(model, theirs):
    tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")
    added = tokenizer.added_tokens_encoder
    for text in TEXTS:
        written = write_out(text, tokenizer.tokenize(text), added)
        assert written == theirs.maybe_convert_prompt(text, tokenizer), text


def test_warnings_count_the_tokens_that_the_model_reads(made):
    limit = TokenLimit(made / "tokenizer", max_tokens=77)
    tokenizer = Tokenizer(made)
    end = tokenizer._tokenizer.eos_token_id
    times = (18, 19, 25, 26, 75, 76)
    for text in [*TEXTS, *(word * number for word in ("<cat> ", "mug ", "茶") for number in times)]:
        # What the last place loses to the end token is cut off.
        (ids,) = tokenizer.ids([text])
        (longer,) = tokenizer.ids([f"{text} mug"])
        full = end not in ids[:-1]
        assert (f"{text} mug" in limit.cut_off([text, f"{text} mug"])) == full, text
        assert not full or np.array_equal(ids, longer)
