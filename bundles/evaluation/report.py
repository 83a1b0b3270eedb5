"""What an evaluation leaves behind: a JSON report, and scores in the bundle's manifest."""

import json
import os
from pathlib import Path
from typing import Any

from bundles.evaluation.comparison import Judged, Task
from bundles.manifest import load_manifest, save_manifest


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
    aside = file.with_name(f".{file.name}.part")
    aside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(aside, file)


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
