"""Turns a Stable Diffusion model into a bundle: OpenVINO models beside a manifest."""

from pathlib import Path

from bundles.manifest import BlockCache, Manifest, TokenMergingPlan, save_manifest
from bundles.records import Record
from bundles.workshop import Workshop
from core.errors import BundleError
from modelkit.export.adoption import adopt, is_converted
from modelkit.export.assembly import make_parts
from modelkit.export.configuration import read_configuration
from modelkit.export.order import (
    GivenDefaults,
    Precision,
    Size,
    VaePrecision,
    Verify,
    check,
    describe,
    take_order,
)
from modelkit.export.scheduler_trials import with_schedulers
from modelkit.export.source import content_hash, locate, read_profile, revision_of
from modelkit.features.order import CachingOrder
from modelkit.features.variants import make_variants
from modelkit.progress import Progress, Silent


def build(
    source: Path | str,
    target: Path,
    *,
    name: str | None = None,
    replace: bool = True,
    precision: Precision | None = None,
    token_merging: TokenMergingPlan | None = None,
    size: Size | None = None,
    unet: Path | None = None,
    caching: CachingOrder | None = None,
    vae: VaePrecision = "float",
    defaults: GivenDefaults | None = None,
    verify: Verify | None = None,
    say: Progress | None = None,
) -> Manifest:
    """Make a bundle from a diffusers folder or Hub id of a Stable Diffusion model.

    Batch, height and width stay open in every part, and the UNet takes one timestep per row. A
    folder in the Hub's OpenVINO layout is taken as it is. A safety checker does not come along:
    no part of packshot would ask it.

    Everything is made in a hidden folder beside `target` and renamed at the end, so `target` is
    never half a bundle. When the work is interrupted, what is finished waits there for the next
    call with the same source and options.

    Args:
        source: A local folder with model_index.json, or a Hub id.
        target: The bundle's folder.
        name: The bundle's name; the source's own by default, else made from its path.
        replace: Whether an existing target may be replaced.
        precision: How the UNet is stored and computed; by default what the source's packshot.json
            says, else fp16. For a folder in the OpenVINO layout it is decided already.
        token_merging: Which tokens of the UNet are merged; None or ratios of 0: none.
        size: Width and height, in pixels, that requests get which name none; the source's by
            default. Workers compile and tune for this size first. The model does the others still.
        unet: For int8-qat: the folder that the training wrote; its tokens are merged as it has
            learned.
        caching: Which features pictures keep between steps; None: none.
        vae: How the VAE decoder is stored and computed.
        defaults: Steps, guidance scale and scheduler that requests get which name none, and that
            calibration draws with; by default what the model's own files say.
        verify: Looks at the finished bundle before it is published; None: nobody does.
        say: Hears how far it is.

    Raises:
        BundleError: The source is no such model, is not complete, or cannot do the size; the
            options contradict each other; the target exists; memory or disk are too small; or
            `verify` refuses the bundle.
    """
    if target.exists() and not replace:
        raise BundleError(f"{target} exists: choose another folder, or allow replacing it")
    say = say or Silent()
    folder = locate(source, say)
    if is_converted(folder):
        if precision or token_merging or unet or caching or vae != "float":
            raise BundleError(
                f"{folder.name} is converted already, so its precisions, token merging and feature "
                "caching are decided: leave these options out, or give the original model"
            )
        return adopt(
            folder,
            target,
            source=str(source),
            name=name,
            size=size,
            defaults=defaults,
            verify=verify,
            say=say,
        )
    order = take_order(
        folder,
        precision=precision or read_profile(folder).build.precision,
        token_merging=token_merging,
        unet=unet,
        caching=caching,
        vae=vae,
        defaults=defaults,
    )
    check(order, target, size)
    key = content_hash(folder, order.options(), say=say)
    target.parent.mkdir(parents=True, exist_ok=True)
    with Workshop(target, key) as workshop:
        quantised = make_parts(order, workshop, say)
        feature_caching = None
        if caching is not None:
            halves = order.precision != "fp32"
            feature_caching = make_variants(
                caching, folder, order.profile, workshop, say, halves=halves
            )
        measured: list[Record] = list(quantised.values())
        if isinstance(feature_caching, BlockCache):
            measured.append(feature_caching)
        manifest = describe(
            folder,
            source=str(source),
            name=name,
            revision=revision_of(key, workshop.bundle, measured),
            precision=order.stored_precision,
            size=size,
            profile=order.profile,
            configuration=read_configuration(folder),
            token_merging=order.plan,
            quantisation=quantised.get("unet"),
            vae_quantisation=quantised.get("vae_decoder"),
            feature_caching=feature_caching,
        )
        manifest = with_schedulers(manifest, workshop.bundle)
        save_manifest(manifest, workshop.bundle)
        if verify is not None:
            verify(workshop.bundle, manifest, folder, say)
        workshop.finish()
    return manifest
