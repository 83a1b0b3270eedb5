"""What an evaluation leaves behind: a JSON report, and scores in the bundle's manifest."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bundles.manifest import Manifest, load_manifest, save_manifest
from core.domain.approximation import Threshold
from modelkit.evaluation.calibration import Measured
from modelkit.evaluation.comparison import Judged, Task


def write_report(file: Path, judged: Judged, reference: Judged | None, task: Task) -> None:
    """Write everything that was found as JSON, aside and renamed."""
    content = {
        "bundle": _describe(judged),
        "against": None if reference is None else _describe(reference),
        "images": [
            {
                "prompt": prompt,
                "seed": seed,
                **{name: values[number] for name, values in judged.each.items()},
            }
            for number, (prompt, seed) in enumerate(zip(task.prompts, task.seeds, strict=True))
        ],
    }
    _write(file, content)


def write_calibration(
    file: Path,
    manifest: Manifest,
    measured: Sequence[Measured],
    thresholds: Sequence[Threshold],
) -> None:
    """Write how images that began with others' latents turned out, as JSON, aside and renamed."""
    content = {
        "bundle": {
            "name": manifest.name,
            "revision": manifest.revision,
            "defaults": manifest.defaults.model_dump(),
        },
        "thresholds": [asdict(one) for one in thresholds],
        "pairs": [
            {
                "relation": one.pair.relation,
                "target": one.pair.target,
                "source": one.pair.source,
                "similarity": one.similarity,
                "steps_spared": one.step,
                "psnr": one.psnr,
                "ssim": one.ssim,
                "good": one.good,
                "good_in_full": one.good_in_full,
            }
            for one in measured
        ],
    }
    _write(file, content)


def _write(file: Path, content: Any) -> None:
    aside = file.with_name(f".{file.name}.part")
    aside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(aside, file)


def record_thresholds(folder: Path, thresholds: Sequence[Threshold]) -> None:
    """Put what was calibrated into a bundle's manifest; its revision stays as it is.

    Raises:
        BundleError: There is no bundle any more.
    """
    manifest = load_manifest(folder)
    save_manifest(manifest.model_copy(update={"approximate": tuple(thresholds)}), folder)


def record_scores(folder: Path, scores: dict[str, float]) -> None:
    """Put scores into a bundle's manifest; those that were not measured now stay as they are.

    Raises:
        BundleError: There is no bundle any more.
    """
    manifest = load_manifest(folder)
    save_manifest(manifest.model_copy(update={"scores": {**manifest.scores, **scores}}), folder)


def _describe(judged: Judged) -> dict[str, Any]:
    manifest = judged.manifest
    return {
        "name": manifest.name,
        "revision": manifest.revision,
        "precision": manifest.precision,
        "defaults": manifest.defaults.model_dump(),
        "scores": judged.scores,
        **judged.details,
    }
