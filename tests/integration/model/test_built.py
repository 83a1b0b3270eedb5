"""The starter as it ships, in INT8, and with merged tokens: images in company and by attribute."""

from collections.abc import Iterator

import numpy as np
import pytest

from bundles.manifest import TokenMergingPlan
from modelkit.evaluation.comparison import judge, score_attributes
from modelkit.export.build import build
from starter import SOURCE
from starter.data.attributes import split_products
from starter.data.captions import canonical_caption
from tests.integration.model.conftest import (
    PATIENCE,
    SAME_IN_COMPANY_DB,
    alone_and_together,
    psnr,
)
from worker.engine import Engine
from worker.pipeline import Pipeline

BUILDS = {
    "as it ships": {},
    "merging": {
        "precision": "fp16",
        "token_merging": TokenMergingPlan(ratios=(0.5, 0.3), cross_attention=True),
    },
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Engine]]:
    """An engine on each of the bundles."""
    engines = {}
    for name, options in BUILDS.items():
        target = tmp_path_factory.mktemp("built") / "bundle"
        build(SOURCE, target, **options)
        engines[name] = Engine.of_one(Pipeline(target), row_limit=8)
        engines[name].start()
    yield engines
    for engine in engines.values():
        engine.close()


@pytest.mark.parametrize("name", BUILDS)
def test_an_image_is_the_same_alone_and_in_company(engines, make, name: str):
    for one, other in alone_and_together(engines[name], make):
        assert psnr(one, other) >= SAME_IN_COMPANY_DB


def test_what_ships_draws_the_attributes_that_are_asked_for(engines, make):
    products = split_products()[1][:16]
    tickets = [
        engines["as it ships"].submit(make(prompt=canonical_caption(product), seed=seed))
        for seed, product in enumerate(products)
    ]
    images = np.stack([ticket.result(PATIENCE).image for ticket in tickets])
    scores = score_attributes(judge(), images, products)
    assert scores.accuracy["all"] >= 15 / 16, scores.mistakes
