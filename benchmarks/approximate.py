"""The approximate cache on a bundle: what it spares, what that costs, and the honest rival.

`python -m benchmarks.approximate [--bundle FOLDER] [--prompts 30] [--trace 200] [--json FILE]`

First, pairs of prompts of different similarity at each K. Then a catalogue, every product in
several colours and on several backgrounds, through the product's own cache on a real Postgres and
S3: with the paper's thresholds, and with those that the pairs suggest. Beside both stands "simply
fewer steps" at the same cost. Images are judged by the starter's classifier, and by their likeness
to the full run.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from benchmarks.report import show
from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest
from core.db.engine import Database
from core.domain.approximation import NIRVANA, Threshold
from core.domain.lanes import Lane
from core.lifecycle.claims import Claim
from core.settings import Settings, fields_in
from core.storage import Storage
from modelkit.evaluation.calibration import (
    MeasuredPair,
    choose_thresholds,
    make_pairs,
    summary,
)
from modelkit.evaluation.comparison import judge, likeness, score_attributes
from modelkit.evaluation.similarity import Pixels, ssim
from modelkit.evaluation.trial import Drawing, Trial, measure, trial
from modelkit.progress import Silent
from starter.chance import seeded
from starter.data.attributes import Background, Colour, Kind, Pattern, Product
from starter.data.captions import canonical_caption
from worker.approximate.cache import ApproximateCache, StartPlan
from worker.loaded import LoadedModel

WAVE = 8
"""Products that are drawn at the same time, as in a batch."""

TOLERANCE = 0.01


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.approximate", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path(".packshot/bundles/starter"))
    parser.add_argument("--prompts", type=int, default=30, help="targets; seven pairs each")
    parser.add_argument("--trace", type=int, default=200, help="images of the catalogue")
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args()
    manifest = load_manifest(options.bundle)
    settings = Settings(bundle=options.bundle)
    with trial(options.bundle, manifest, settings) as bench:
        pairs = make_pairs(manifest, options.prompts)
        measured = measure(bench, manifest, pairs, first_seed=options.seed, say=Silent())
        suggested = choose_thresholds(measured, manifest.defaults.steps, tolerance=TOLERANCE)
        targets = {pair.target: pair.product for pair in pairs if pair.product}
        rivals = fewer_steps(bench, manifest, targets, options.seed)
        show_pairs(measured, rivals, suggested)
        replay_all(
            bench, manifest, options.trace, {"the paper's": NIRVANA, "calibrated": suggested}
        )


# Pairs


def fewer_steps(
    bench: Trial, manifest: Manifest, targets: dict[str, Product], seed: int
) -> list[dict[str, Any]]:
    """Draw the targets with as many steps as each K leaves."""
    full = draw(bench, targets, seed)
    rows = []
    for percent in (10, 20, 30, 40, 50):
        steps = round(manifest.defaults.steps * (1 - percent / 100))
        images = draw(bench, targets, seed, steps=steps)
        rows.append({"steps": steps} | judged(images, full, list(targets.values())))
    return rows


def draw(
    bench: Trial, prompts: Sequence[str] | dict[str, Product], seed: int, **changes: Any
) -> list[Pixels]:
    """Draw prompts; the i-th with `seed` + i."""
    drawings = [
        Drawing(prompt=prompt, seed=seed + place, changes=changes)
        for place, prompt in enumerate(prompts)
    ]
    return [result.image for result in bench.draw(drawings)]


def judged(
    images: Sequence[Pixels], full: Sequence[Pixels], products: Sequence[Product]
) -> dict[str, float]:
    """Score images: all attributes right, and likeness to the full runs."""
    right = score_attributes(judge(), np.stack(images), products).right
    return {
        "accuracy": statistics.fmean(right),
        "psnr": statistics.fmean(map(likeness, images, full)),
        "ssim": statistics.fmean(ssim(*both) for both in zip(images, full, strict=True)),
    }


def show_pairs(
    measured: Sequence[MeasuredPair],
    rivals: Sequence[dict[str, Any]],
    suggested: Sequence[Threshold],
) -> None:
    """Print each relation at each K, and fewer steps beside them."""
    relations = list(dict.fromkeys(one.pair.relation for one in measured))
    steps = sorted({one.step for one in measured})
    figures = {
        name: {step: summary(measured, step, name) for step in steps} for name in relations
    } | {"all pairs": {step: summary(measured, step) for step in steps}}
    rows = [
        {"differs in": name, "similarity": f"{next(iter(by_step.values()))['similarity']:.3f}"}
        | {f"K = {step}": written(one["good"], one["psnr"]) for step, one in by_step.items()}
        for name, by_step in figures.items()
    ]
    rows.append(
        {"differs in": "full run, fewer steps", "similarity": ""}
        | {
            f"K = {step}": written(rival["accuracy"], rival["psnr"])
            for step, rival in zip(steps, rivals, strict=True)
        }
    )
    show(
        "approximate, pairs: attributes right, PSNR against the full run",
        rows,
        {
            "pairs": figures,
            "full_accuracy": summary(measured, steps[0])["good_in_full"],
            "fewer_steps": rivals,
            "thresholds": [{"share": one.share, "similarity": one.similarity} for one in suggested],
        },
    )


def written(accuracy: float, decibels: float) -> str:
    """Write a score and a likeness."""
    return f"{accuracy:.1%}, {decibels:.1f} dB"


# The catalogue


def catalogue(count: int) -> list[Product]:
    """Give a catalogue in the order of its sheet: kinds and patterns in all colours and settings.

    No two are equal: those would be the result cache's.
    """
    rng = seeded("catalogue")
    models = [(kind, pattern) for kind in Kind for pattern in Pattern]
    rng.shuffle(models)
    variants = [(colour, background) for colour in Colour for background in Background]
    products: list[Product] = []
    for kind, pattern in models:
        chosen = rng.sample(variants, 10)
        products += [
            Product(kind=kind, colour=colour, pattern=pattern, background=background)
            for colour, background in chosen
        ]
    return products[:count]


def replay_all(
    bench: Trial, manifest: Manifest, count: int, tables: dict[str, Sequence[Threshold]]
) -> None:
    """Replay the catalogue without the cache, with each table, and with fewer steps."""
    products = catalogue(count)
    prompts = [canonical_caption(product) for product in products]
    claims = [make_claim(prompt, manifest) for prompt in prompts]
    full = [
        result.image
        for result in bench.draw(
            Drawing(prompt=one.spec.prompt, seed=one.spec.seed) for one in claims
        )
    ]
    schedule = manifest.defaults.steps
    result = {"full run": judged(full, full, products) | {"saved": 0.0}}
    for name, thresholds in tables.items():
        images, replayed = replay(bench, claims, thresholds)
        result[name] = judged(images, full, products) | replayed
    for name in list(tables):
        steps = round(schedule * (1 - result[name]["saved"]))
        images = [
            one.image
            for one in bench.draw(
                Drawing(prompt=one.spec.prompt, seed=one.spec.seed, changes={"steps": steps})
                for one in claims
            )
        ]
        result[f"{steps} steps"] = judged(images, full, products) | {"saved": 1 - steps / schedule}
    rows = [
        {
            "what": name,
            "steps saved": f"{one['saved']:.1%}",
            "attributes right": f"{one['accuracy']:.1%}",
            "PSNR to the full run": "–" if name == "full run" else f"{one['psnr']:.1f} dB",
            "hits": f"{one.get('hits', 0):.0%}",
            "look-up, ms": f"{one['lookup_ms']:.1f}" if "lookup_ms" in one else "–",
        }
        for name, one in result.items()
    ]
    show(f"approximate, a catalogue of {len(products)}", rows, {"catalogue": result})


def make_claim(prompt: str, manifest: Manifest) -> Claim:
    """Make what a worker claims for a prompt whose caller agrees to an approximate image."""
    spec = manifest.defaults.spec(prompt=prompt, seed=None)
    exact = spec.fingerprint(manifest.revision)
    return Claim(
        generation_id=uuid4(),
        owner="benchmark",
        attempt=1,
        claimed_at=datetime.now(UTC),
        tenant="benchmark",
        fingerprint=spec.fingerprint(manifest.revision, approximate=True),
        bundle_revision=manifest.revision,
        lane=Lane.BULK,
        deadline_at=None,
        spec=spec.decided(exact),
        approximate_scope=spec.scope(manifest.revision),
        exact_fingerprint=exact,
    )


def replay(
    bench: Trial, claims: Sequence[Claim], thresholds: Sequence[Threshold]
) -> tuple[list[Pixels], dict[str, Any]]:
    """Draw a catalogue with an empty cache that fills as it goes."""
    import migrations
    from local.infrastructure import Infrastructure

    with tempfile.TemporaryDirectory() as folder, Infrastructure(Path(folder)) as services:
        settings = Settings(**fields_in(services.environment))
        migrations.upgrade(settings.database_url)
        database, storage = Database(settings), Storage(settings)
        try:
            cache = ApproximateCache(database=database, storage=storage, embed=bench.engine.embed)
            model = LoadedModel(bench.engine.models[""].model, thresholds=thresholds, end=bench.end)
            return run(bench, cache, model, claims)
        finally:
            database.close()
            storage.close()


def run(
    bench: Trial, cache: ApproximateCache, model: LoadedModel, claims: Sequence[Claim]
) -> tuple[list[Pixels], dict[str, Any]]:
    """Draw wave by wave, as a full worker would."""
    images: list[Pixels] = []
    spared: Counter[int] = Counter()
    seconds = []
    for begin in range(0, len(claims), WAVE):
        wave = claims[begin : begin + WAVE]
        plans: list[StartPlan] = []
        for claim in wave:
            bench.embed([claim.spec.prompt])  # the row needs it in any case
            start = time.perf_counter()
            plans.append(cache.plan(claim, model))
            seconds.append(time.perf_counter() - start)
        drawings = [
            Drawing(
                prompt=claim.spec.prompt, seed=claim.spec.seed, begin=plan.begin, keep=plan.keep
            )
            for claim, plan in zip(wave, plans, strict=True)
        ]
        for claim, plan, result in zip(wave, plans, bench.draw(drawings), strict=True):
            cache.learn(claim, plan, result)
            images.append(result.image)
            spared[plan.approximation.steps_spared if plan.approximation else 0] += 1
        cache.flush()
    saved = sum(step * number for step, number in spared.items())
    return images, {
        "saved": saved / sum(claim.spec.steps for claim in claims),
        "hits": 1 - spared[0] / len(claims),
        "lookup_ms": 1000 * statistics.median(seconds),
        "images_by_steps_spared": dict(sorted(spared.items())),
    }


if __name__ == "__main__":
    main()
