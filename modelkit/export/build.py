"""Turns a Stable Diffusion model into a bundle: OpenVINO models beside a manifest."""

import hashlib
import json
from pathlib import Path

from bundles.manifest import BlockCache, Manifest, PromptReading, TokenMergingPlan
from bundles.records import Record
from bundles.workshop import Workshop
from core.errors import BundleError
from modelkit.export.additions import Additions
from modelkit.export.adoption import adopt, is_converted, publish
from modelkit.export.assembly import make_parts
from modelkit.export.configuration import read_configuration
from modelkit.export.defaults import GivenDefaults
from modelkit.export.order import (
    BuildOrder,
    Precision,
    Size,
    VaePrecision,
    Verify,
    check,
    describe,
    take_order,
)
from modelkit.export.preparation import Prepared, prepared
from modelkit.export.source import content_hash, find_source, read_profile, revision_of
from modelkit.features.order import CachingOrder
from modelkit.features.variants import make_variants
from modelkit.progress import Progress, Silent


def build(
    source: Path | str,
    target: Path,
    *,
    name: str | None = None,
    precision: Precision | None = None,
    token_merging: TokenMergingPlan | None = None,
    size: Size | None = None,
    unet: Path | None = None,
    caching: CachingOrder | None = None,
    vae: VaePrecision = "float",
    defaults: GivenDefaults | None = None,
    additions: Additions | None = None,
    prompt_reading: PromptReading | None = None,
    verify: Verify | None = None,
    say: Progress | None = None,
) -> Manifest:
    """Make a bundle from a diffusers folder, a single file or a Hub id of a Stable Diffusion model.

    Batch, height and width stay open in every part, and the UNet takes one timestep per row. A
    folder in the Hub's OpenVINO layout is taken as it is. A safety checker does not come along.
    It is made in a hidden folder beside `target`, which is renamed at the end, and in which what is
    finished waits for the next call with the same source and options.

    Args:
        source: A folder with model_index.json, a safetensors file in the original layout, a Hub id.
        target: The bundle's folder; one that is there is replaced.
        name: The bundle's name; the source's own by default, else made from its path.
        precision: Of the UNet; by default what the source's packshot.json says, else fp16.
        token_merging: Which tokens of the UNet are merged; None or ratios of 0: none.
        size: Width and height in pixels of requests that name none, for which workers compile.
        unet: For int8-qat: the trained UNet's folder; its tokens are merged as it has learned.
        caching: Which features pictures keep between steps; None: none.
        vae: How the VAE decoder is stored and computed.
        defaults: What requests get that name nothing; the rest as the model's own files say.
        additions: Another autoencoder, words, layers left out; and what a single file leaves open.
        prompt_reading: Whether prompts may be longer than a text, and have weights; None: neither.
        verify: Looks at the finished bundle before it is published; None: nobody does.
        say: Hears how far it is.

    Raises:
        BundleError: The source is no such model, is not complete, or cannot do the size; options
            contradict each other; memory or disk are too small; or `verify` refuses the bundle.
    """
    say = say or Silent()
    with prepared(find_source(source, say), additions or Additions(), target, say) as ready:
        folder = ready.folder
        if is_converted(folder):
            if precision or token_merging or unet or caching or vae != "float":
                raise BundleError(_DECIDED.format(folder.name))
            return adopt(folder, target, source=str(source), name=name, size=size, verify=verify,
                         defaults=defaults, prompt_reading=prompt_reading, say=say)  # fmt: skip
        precision = precision or read_profile(folder).build.precision
        order = take_order(folder, precision=precision, token_merging=token_merging, unet=unet,
                           caching=caching, vae=vae, defaults=defaults,
                           prompt_reading=prompt_reading)  # fmt: skip
        check(order, target, size)
        return _make(
            order, ready, target, source=str(source), name=name, size=size, verify=verify, say=say
        )


_DECIDED = (
    "{} is converted already, so its precisions, token merging and feature caching are decided: "
    "leave these options out, or give the original model"
)


def _make(
    order: BuildOrder,
    ready: Prepared,
    target: Path,
    *,
    source: str,
    name: str | None,
    size: Size | None,
    verify: Verify | None,
    say: Progress,
) -> Manifest:
    """Make what was found possible."""
    key = _key(order, ready, say)
    target.parent.mkdir(parents=True, exist_ok=True)
    with Workshop(target, key) as workshop:
        quantised = make_parts(order, workshop, say)
        caching = None
        if order.caching is not None:
            halves = order.precision != "fp32"
            caching = make_variants(
                order.caching, order.source, order.profile, workshop, say, halves=halves
            )
        measured: list[Record] = list(quantised.values())
        if isinstance(caching, BlockCache):
            measured.append(caching)
        manifest = describe(
            order.source,
            source=source,
            name=name,
            revision=revision_of(key, workshop.bundle, measured),
            precision=order.stored_precision,
            size=size,
            profile=order.profile,
            additions=ready.additions,
            configuration=read_configuration(order.source),
            token_merging=order.plan,
            quantisation=quantised.get("unet"),
            vae_quantisation=quantised.get("vae_decoder"),
            feature_caching=caching,
            prompt_reading=order.prompt_reading,
        )
        return publish(workshop, manifest, order.source, verify, say)


def _key(order: BuildOrder, ready: Prepared, say: Progress) -> str:
    """Return what decides the models: the source's files and the options."""
    if ready.digest is None:
        return content_hash(order.source, order.options(), say=say)
    # What libraries of this version write of it is of no account.
    said = [ready.digest, order.options()]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
