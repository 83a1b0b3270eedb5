"""Products that a model drew around: whether they are the same to the pixel, and no larger.

`python -m benchmarks.blends --objects FOLDER [--bundle FOLDER] [--limit 500] [--side 1000]
[--strength 0.8] [--save FOLDER]`: cuts rendered objects out of drawn
photographs and has a bundle (without one, the starter) draw around them in drawn surroundings, as
workers do (`worker.scenes.blending`): with another seed where the product grew, `TRIES` times. Of
every picture: whether the product's inside is identical, and its expansion E. What has too large an
E with each seed is rejected, and counts as that.
"""

import argparse
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.bundle import build_starter
from benchmarks.report import percentile, show
from benchmarks.scenes import QUALITY, StagedProduct, staged
from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest
from catalogue.scenes.blending import blend_source, put_back
from catalogue.scenes.composing import Composition, scene_rule
from catalogue.scenes.fidelity import MOST_EXPANSION
from core.domain.seeds import variant_seed
from core.settings import Settings
from modelkit.evaluation.trial import Drawing, Trial, trial
from worker.scenes.blending import TRIES
from worker.walk import Picture

CELL = 8
"""Pixels for one latent, of every Stable Diffusion."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Blend:
    """A picture, and the seed's number that it was drawn with."""

    of: StagedProduct
    made: Composition
    tries: int

    @property
    def is_kept(self) -> bool:
        """Whether it would be delivered."""
        return self.made.fidelity.is_kept


def main() -> None:
    """Measure blends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=Path, required=True)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--side", type=int, default=1000)
    parser.add_argument("--strength", type=float, default=0.8)
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        bundle = arguments.bundle or build_starter(Path(temporary))
        manifest = load_manifest(bundle)
        with trial(bundle, manifest, Settings(_env_file=None)) as bench:
            found = list(
                blends(
                    _Studio(
                        trial=bench,
                        manifest=manifest,
                        side=arguments.side,
                        strength=arguments.strength,
                    ),
                    arguments.objects,
                    arguments.limit,
                    arguments.save,
                )
            )
    rows = summary(found)
    about = {
        "blends": len(found), "side": arguments.side, "strength": arguments.strength,
        "model": manifest.name,
    }  # fmt: skip
    show("blends", rows, about | {"rows": rows})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Studio:
    """What draws around products, and how."""

    trial: Trial
    manifest: Manifest
    side: int
    strength: float

    def drawing(self, one: StagedProduct, tries: int) -> Drawing:
        """Return what is asked for around a product."""
        width, height = one.background.shape[1], one.background.shape[0]
        source = blend_source(
            one.product,
            scene_rule(self.side, self.side),
            (width, height),
            fill=one.background,
            cell=CELL,
        )
        return Drawing(
            prompt=one.place,
            seed=variant_seed(one.number, tries),
            begin=Picture(pixels=source.pixels, strength=self.strength, mask=source.mask),
        )

    def draw(self, products: Iterable[StagedProduct], tries: int) -> Iterator[Blend]:
        """Draw around products, and put their own pixels back."""
        waiting: deque[StagedProduct] = deque()

        def drawings() -> Iterator[Drawing]:
            for one in products:
                waiting.append(one)
                yield self.drawing(one, tries)

        rule = scene_rule(self.side, self.side)
        for result in self.trial.draw(drawings()):
            one = waiting.popleft()
            made = put_back(result.image, one.product, rule)
            yield Blend(of=one, made=made, tries=tries)


def blends(
    studio: _Studio, objects: Path, count: int, save: Path | None
) -> Iterator[Sequence[Blend]]:
    """Draw around products until each is kept, or was tried as often as it may be."""
    tried: dict[int, list[Blend]] = {}
    size = studio.manifest.defaults.width
    products: Iterable[StagedProduct] = staged(objects, count, size)
    for tries in range(1, TRIES + 1):
        again = []
        for one in studio.draw(products, tries):
            tried.setdefault(one.of.number, []).append(one)
            if not one.is_kept:
                again.append(one.of)
            if save:
                _save(one, save)
        products = again
    yield from tried.values()


def summary(found: Sequence[Sequence[Blend]]) -> list[dict[str, str]]:
    """Write what was found, one line for each figure."""
    first = [one[0].made.fidelity for one in found]
    last = [one[-1] for one in found]
    kept = [one for one in last if one.is_kept]
    expansions = [one.expansion for one in first]
    delivered = [one.made.fidelity for one in kept]
    return [
        {"figure": "blends", "value": str(len(found))},
        {
            "figure": "identical inside the mask",
            "value": f"{np.mean([one.made.fidelity.is_identical for one in last]):.1%}",
        },
        {
            "figure": "E ≤ 1 % with the first seed",
            "value": f"{np.mean([one <= MOST_EXPANSION for one in expansions]):.1%}",
        },
        {
            "figure": "E with the first seed, median and 95 %",
            "value": f"{percentile(expansions, 50):.4f}, {percentile(expansions, 95):.4f}",
        },
        {
            "figure": f"delivered after {TRIES} seeds at most",
            "value": f"{len(kept) / len(found):.1%}",
        },
        {"figure": "rejected", "value": str(len(found) - len(kept))},
        {
            "figure": "E ≤ 1 % of those delivered",
            "value": f"{np.mean([one.expansion <= MOST_EXPANSION for one in delivered]):.1%}"
            if delivered
            else "–",
        },
    ]


def _save(blend: Blend, folder: Path) -> None:
    """Write a picture under its figures."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{blend.of.name} {blend.tries} {blend.made.fidelity.expansion:.3f}.jpg"
    picture = Image.fromarray(blend.made.pixels)
    picture.save(folder / name.replace(" ", "_"), quality=QUALITY)


if __name__ == "__main__":
    main()
