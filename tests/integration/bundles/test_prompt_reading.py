"""Long and weighted prompts: diffusers' pipelines draw the same from transformers' own states.

The states that they are given are made here from the published formula: texts of 75 tokens between
a start and an end token, each read alone; states times weights, and with one encoder the chunk's
mean restored.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from benchmarks.layouts import LAYOUTS, save_layout
from bundles.manifest import PromptReading
from bundles.manifest_file import load_manifest
from bundles.plan import Plan
from catalogue.prompts.tokens import TokenLimit
from modelkit.evaluation.parity import check_parity
from modelkit.export.build import build
from tests.integration.bundles.kinds import load, save_loud
from tests.integration.model.conftest import psnr
from tests.specs import row_request
from tests.support.made_once import MadeOnce
from worker.engine import Engine
from worker.model import HIDDEN_STATES
from worker.pipeline import Pipeline
from worker.tokenizer import SeveralChunksError, Tokenizer

SAME_AS_DIFFUSERS_DB = 40.0
SAME_IN_COMPANY_DB = 50.0
PATIENCE = 600
READING = PromptReading(chunks=3, weights=True)
LAYOUT = {"one": "", "two": "Stable Diffusion XL 1.0"}

Parts = Sequence[tuple[str, float]]
LONG = "a red mug on a wooden table with a blue plate and a white cup " * 12
ROWS: dict[str, tuple[str, Parts, str, Parts]] = {
    "plain": ("a red mug", [("a red mug", 1)], "", [("", 1)]),
    "weighted": (
        "a (red:1.5) mug on [wood] \\(blue\\)",
        [("a ", 1), ("red", 1.5), (" mug on ", 1), ("wood", 1 / 1.1), (" (blue)", 1)],
        "((white)) plate",
        [("white", 1.21), (" plate", 1)],
    ),
    "long": (LONG, [(LONG, 1)], "blue", [("blue", 1)]),
    "long and weighted": (
        f"{LONG} (green:1.3)",
        [(f"{LONG} ", 1), ("green", 1.3)],
        f"(wood:0.5) {LONG} {LONG}",
        [("wood", 0.5), (f" {LONG} {LONG}", 1)],
    ),
    "long without guidance": (LONG, [(LONG, 1)], "", []),
}
"""Prompt and negative prompt, each with what its marks mean; no parts: it is not read."""


def save_with_mean(folder: Path) -> None:
    """Write a model whose encoder's states have a mean, as CLIP's do: random ones have none."""
    pipeline = load(save_loud(folder))
    with torch.no_grad():
        for name, bias in pipeline.text_encoder.named_parameters():
            if name.endswith("final_layer_norm.bias"):
                bias.sub_(0.2)
    pipeline.save_pretrained(folder)


def source_of(kind: str, made_once: MadeOnce) -> Path:
    if kind == "one":
        return made_once.folder("loud, with a mean", save_with_mean)
    layout = next(one for one in LAYOUTS if one.name == LAYOUT[kind])
    return made_once.folder(layout.name, lambda folder: save_layout(layout, folder))


@pytest.fixture(scope="module", params=LAYOUT)
def source(request, made_once: MadeOnce) -> Path:
    return source_of(request.param, made_once)


@pytest.fixture(scope="module")
def bundle(made_once: MadeOnce, source: Path) -> Path:
    return made_once.bundle(source, precision="fp32", prompt_reading=READING, verify=check_parity)


@pytest.fixture(scope="module")
def pipeline(bundle: Path) -> Pipeline:
    return Pipeline(bundle, precision="f32", plan=Plan(threads=1), prompt_reading=READING)


@pytest.fixture(scope="module")
def reference(source: Path) -> Any:
    pipeline = diffusers.DiffusionPipeline.from_pretrained(
        source, torch_dtype=torch.float32, safety_checker=None
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def asked(name: str, seed: int, **values: Any) -> Any:
    prompt, _, negative, parts = ROWS[name]
    size = {"width": 64, "height": 64} | values
    return row_request(
        prompt=prompt, negative_prompt=negative, steps=4, seed=seed, scheduler="ddim",
        guidance_scale=4.0 if parts else 1.0, **size,
    )  # fmt: skip


def draw(pipeline: Pipeline, requests: Sequence[Any], **options: Any) -> list[np.ndarray]:
    engine = Engine.of_one(pipeline, row_limit=8, **options)
    tickets = [engine.submit(one) for one in requests]
    engine.start()
    try:
        return [ticket.result(PATIENCE).image for ticket in tickets]
    finally:
        engine.close()


def states_of(reference: Any, parts: Parts, chunks: int) -> tuple[torch.Tensor, Any]:
    """Return a text's states, (1, tokens, features), in so many chunks, and what is pooled."""
    second = getattr(reference, "text_encoder_2", None)
    pairs = [(reference.tokenizer, reference.text_encoder)]
    if second is not None:
        pairs.append((reference.tokenizer_2, second))
    sides, pooled = [], None
    for tokenizer, encoder in pairs:
        ids = [i for text, _ in parts for i in tokenizer(text).input_ids[1:-1]]
        weights = [w for text, w in parts for _ in tokenizer(text).input_ids[1:-1]]
        states = []
        for start in range(0, chunks * 75, 75):
            own, weight = ids[start : start + 75], weights[start : start + 75]
            fill = 75 - len(own)
            row = [tokenizer.bos_token_id, *own, tokenizer.eos_token_id]
            row += [tokenizer.pad_token_id] * fill
            with torch.no_grad():
                out = encoder(torch.tensor([row]), output_hidden_states=True)
            found = out.last_hidden_state if second is None else out.hidden_states[-2]
            by = torch.tensor([1.0, *weight, *[1.0] * (fill + 1)])[None, :, None]
            weighted = found * by
            states.append(
                weighted * (found.mean() / weighted.mean()) if second is None else weighted
            )
            if encoder is second and start == 0:
                pooled = out.text_embeds
        sides.append(torch.cat(states, dim=1))
    return torch.cat(sides, dim=-1), pooled


def by_diffusers(reference: Any, name: str, seed: int) -> np.ndarray:
    _, parts, negative, unwanted = ROWS[name]
    counts = [
        max(1, -(-sum(len(reference.tokenizer(text).input_ids) - 2 for text, _ in side) // 75))
        for side in (parts, unwanted)
    ]
    chunks = min(3, max(counts))
    states, pooled = states_of(reference, parts, chunks)
    given: dict[str, Any] = {"prompt_embeds": states}
    if pooled is not None:
        given["pooled_prompt_embeds"] = pooled
    if unwanted:
        states_without, pooled_without = states_of(reference, unwanted, chunks)
        if pooled is not None and not negative:
            # Zeros, where nothing is unwanted.
            states_without, pooled_without = torch.zeros_like(states), torch.zeros_like(pooled)
        given["negative_prompt_embeds"] = states_without
        if pooled is not None:
            given["negative_pooled_prompt_embeds"] = pooled_without
    drawn = reference(
        width=64, height=64, num_inference_steps=4, guidance_scale=4.0 if unwanted else 1.0,
        generator=torch.Generator().manual_seed(seed), **given,
    )  # fmt: skip
    return np.asarray(drawn.images[0])


def test_rows_of_one_queue_are_what_diffusers_draws(pipeline, reference):
    reference.scheduler = diffusers.DDIMScheduler.from_config(dict(pipeline.scheduler_config))
    ours = draw(pipeline, [asked(name, seed) for seed, name in enumerate(ROWS)])
    for seed, (name, image) in enumerate(zip(ROWS, ours, strict=True)):
        assert psnr(image, by_diffusers(reference, name, seed)) >= SAME_AS_DIFFUSERS_DB, name


def test_rows_alone_are_those_in_company(pipeline):
    rows = [asked(name, seed) for seed, name in enumerate(ROWS)]
    for one, image in zip(rows, draw(pipeline, rows), strict=True):
        assert psnr(draw(pipeline, [one])[0], image) >= SAME_IN_COMPANY_DB


def test_fixed_shapes_leave_longer_prompts_to_the_open_one(bundle: Path, pipeline):
    fixed = Pipeline(
        bundle, precision="f32", prompt_reading=READING,
        plan=Plan(threads=1, rows=2, batches=(2,), size=(64, 64)),
    )  # fmt: skip
    rows = [asked("long", 1), asked("plain", 2)]
    for one, other in zip(draw(fixed, rows), draw(pipeline, rows), strict=True):
        assert psnr(one, other) >= SAME_IN_COMPANY_DB


def test_texts_have_as_many_states_as_chunks(pipeline):
    texts = ["", "a mug", LONG, LONG * 9]
    lengths = [len(one[HIDDEN_STATES]) for one in pipeline.encode(texts)]
    assert lengths == [77, 77, 3 * 77, 3 * 77]


def test_brackets_mean_themselves_by_default(bundle: Path, made_once: MadeOnce, source: Path):
    plain = Pipeline(
        made_once.bundle(source, precision="fp32"), precision="f32", plan=Plan(threads=1)
    )
    (written, meant, cut) = plain.encode(["a (red:1.5) mug", "a red mug", LONG])
    assert not np.array_equal(written[HIDDEN_STATES], meant[HIDDEN_STATES])
    assert len(cut[HIDDEN_STATES]) == 77
    revisions = {load_manifest(one).revision for one in (bundle, plain.folder)}
    assert len(revisions) == 2, "the reading is part of the revision"


def test_a_bundle_says_what_it_reads(bundle: Path):
    manifest = load_manifest(bundle)
    assert (manifest.prompt_reading, manifest.max_tokens) == (READING, 3 * 75 + 2)
    limit = TokenLimit(
        bundle / "tokenizer", max_tokens=manifest.max_tokens, weights=READING.weights
    )
    tokenizer = Tokenizer(bundle, reading=READING)
    fits = "mug " * 225
    assert limit.count("(mug:1.2) [mug]") == 2
    assert limit.cut_off([f"({fits}:1.2)", f"({fits}:1.2) red \\(cup\\)"]) == {
        f"({fits}:1.2) red \\(cup\\)": "red (cup)"
    }
    assert [len(tokenizer.chunks(one)) for one in ("", "mug " * 75, "mug " * 76, fits)] == [
        1, 1, 2, 3,
    ]  # fmt: skip
    with pytest.raises(SeveralChunksError):
        tokenizer.end(fits)


def test_a_bundle_that_is_there_can_be_given_another_reading(made_once: MadeOnce, tmp_path: Path):
    first = made_once.bundle(precision="fp32")
    other = build(first, tmp_path / "other", prompt_reading=READING)
    again = build(first, tmp_path / "again")
    assert other.prompt_reading == READING
    assert other.max_tokens == 3 * 75 + 2
    assert other.revision != again.revision == load_manifest(first).revision


def test_more_chunks_than_anybody_needs_are_refused():
    with pytest.raises(ValueError, match="less than or equal to 8"):
        PromptReading(chunks=9)
