"""`packshot model list`: the bundles of this home folder."""

from pathlib import Path

from rich.table import Table

from bundles.manifest import FILE_NAME, Manifest
from bundles.manifest_file import load_manifest
from bundles.plan import newest_plan
from bundles.workshop import recover
from cli.bundles import bundles_folder, served_models
from cli.console import fail, say, show
from core.errors import BundleError
from core.settings import Settings, get_settings

COLUMNS = (
    "model", "name", "size", "precision", "merging", "features", "scores", "speed", "disk",
    "licence", "revision", "folder",
)  # fmt: skip

SHORT = {
    "attribute_accuracy": "attributes {:.1%}",
    "psnr": "{:.1f} dB",
    "ssim": "SSIM {:.3f}",
    "clip_score": "CLIP {:.3f}",
}
"""Scores in the order and the form in which they are shown."""


def list_bundles() -> None:
    """List the bundles in PACKSHOT_HOME/bundles, and those in other folders that are served.

    Scores are from `packshot model evaluate`, the speed is from the last `packshot tune`.
    """
    settings = get_settings()
    folder = bundles_folder(settings)
    recover(folder)
    table = Table(*COLUMNS, box=None)
    names: dict[Path, list[str]] = {one.parent: [] for one in sorted(folder.glob(f"*/{FILE_NAME}"))}
    for name, served in served_models(settings).items():
        # The starter is built at the first start.
        if served in names or served.parent != folder:
            names.setdefault(served, []).append(name)
    for bundle, called in names.items():
        try:
            manifest = load_manifest(bundle)
        except BundleError as error:
            fail(error)
            continue
        table.add_row(", ".join(called), *_cells(manifest, bundle, settings))
    if table.row_count:
        show(table)
    else:
        say(f"No bundles in {folder}. The starter is built by `packshot up`.")


def _cells(manifest: Manifest, folder: Path, settings: Settings) -> list[str]:
    return [
        manifest.name,
        f"{manifest.defaults.width}×{manifest.defaults.height}",
        manifest.precision,
        _merging(manifest),
        _features(manifest),
        _scores(manifest),
        _speed(manifest, settings),
        _bytes(folder),
        manifest.licence,
        manifest.revision[:12],
        str(folder),
    ]


def _merging(manifest: Manifest) -> str:
    """Write the share of tokens merged at each resolution, and how."""
    plan = manifest.token_merging
    if plan is None or not any(plan.ratios):
        return "–"
    return f"{', '.join(f'{ratio:g}' for ratio in plan.ratios)} {plan.mode}"


def _features(manifest: Manifest) -> str:
    """Describe what pictures keep between their steps."""
    caching = manifest.feature_caching
    if caching is None:
        return ""
    if caching.method == "deepcache":
        return f"DeepCache {caching.interval}"
    return f"Block Cache {caching.threshold:g}"


def _scores(manifest: Manifest) -> str:
    known = [
        text.format(manifest.scores[name])
        for name, text in SHORT.items()
        if name in manifest.scores
    ]
    return ", ".join(known) or "–"


def _speed(manifest: Manifest, settings: Settings) -> str:
    # Not this process's machine: a worker that keeps to some of the CPUs has a plan for these.
    tuned = newest_plan(settings.home.expanduser(), manifest.revision)
    return "–" if tuned is None else f"{tuned.steps_per_second:.3g} steps/s"


def _bytes(folder: Path) -> str:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
