import gc
import json
import shutil
from typing import Any

import numpy as np
import openvino as ov
import pytest
from tokenizers import Tokenizer

from bundles.manifest import JUDGE, Quantisation, TokenMergingPlan
from bundles.manifest_file import load_manifest
from core.domain.schedulers import KNOWN
from core.errors import BundleError
from modelkit.export import assembly
from modelkit.export.build import build
from modelkit.export.defaults import GivenDefaults
from modelkit.features.order import BlockCacheOrder, DeepCacheOrder
from modelkit.progress import Silent
from starter.scenes.captions import corpus
from starter.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def bundle(made_once, tmp_path_factory):
    """One that a test may replace."""
    return shutil.copytree(
        made_once.bundle(name="tiny"), tmp_path_factory.mktemp("bundles") / "tiny"
    )


@pytest.fixture
def source(microscopic, tmp_path):
    """A model that a test may break."""
    return shutil.copytree(microscopic, tmp_path / "source")


def edit(path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def large_constants(bundle) -> set[str]:
    model = ov.Core().read_model(bundle / "unet" / "openvino_model.xml")
    constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    large = [node for node in constants if np.prod(node.get_output_shape(0)) > 64]
    return {node.get_element_type().get_type_name() for node in large}


def test_the_manifest_describes_the_model(bundle, microscopic):
    manifest = load_manifest(bundle)
    profile = json.loads((microscopic / "packshot.json").read_text())
    assert manifest.name == "tiny"
    assert manifest.source == "tiny"
    assert manifest.precision == "fp16"
    assert manifest.token_merging is None
    assert manifest.prediction_type == "epsilon"
    assert json.loads(manifest.defaults.model_dump_json()) == profile["defaults"]
    assert manifest.schedulers is not None
    assert {name: one.works for name, one in manifest.schedulers.items()} == dict.fromkeys(
        KNOWN, True
    )
    assert manifest.schedulers["lcm"].most_steps == 50
    assert (manifest.latent_channels, manifest.vae_scale_factor, manifest.max_tokens) == (4, 8, 77)


def test_nothing_is_left_beside_the_bundle(bundle):
    assert [path.name for path in bundle.parent.iterdir()] == ["tiny"]


def test_no_path_of_this_machine_comes_along(bundle, microscopic):
    texts = [path.read_text() for path in bundle.rglob("*.json")]
    assert not [text for text in texts if str(microscopic.parent) in text]


def test_the_tokenizer_reads_without_transformers(bundle):
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer" / "tokenizer.json"))
    assert tokenizer.encode("a red mug").ids == build_tokenizer(corpus())("a red mug").input_ids


def test_a_tokenizer_of_the_old_kind_becomes_a_new_one(source, tmp_path):
    (source / "tokenizer" / "tokenizer.json").unlink()
    build(source, tmp_path / "old")
    tokenizer = Tokenizer.from_file(str(tmp_path / "old" / "tokenizer" / "tokenizer.json"))
    assert tokenizer.encode("a red mug").ids == build_tokenizer(corpus())("a red mug").input_ids


def test_the_scheduler_s_configuration_comes_along(bundle):
    config = json.loads((bundle / "scheduler" / "scheduler_config.json").read_text())
    assert config["_class_name"] == "DDIMScheduler"


def test_weights_are_halves(bundle):
    assert large_constants(bundle) == {"f16"}


def test_weights_are_whole_in_fp32(microscopic, tmp_path):
    build(microscopic, tmp_path / "whole", precision="fp32")
    assert large_constants(tmp_path / "whole") == {"f32"}
    assert load_manifest(tmp_path / "whole").precision == "fp32"


def test_each_row_has_its_own_timestep_and_size(bundle):
    unet = ov.Core().compile_model(bundle / "unet" / "openvino_model.xml", "CPU")
    rng = np.random.default_rng(0)

    def predict(rows, timesteps):
        return unet(
            {
                "sample": samples[rows],
                "timestep": np.array(timesteps, np.float32),
                "encoder_hidden_states": states[rows],
            }
        )[0]

    states = rng.standard_normal((2, 77, 16), dtype=np.float32)
    for shape in ((8, 8), (16, 16), (4, 12), (7, 9)):
        samples = rng.standard_normal((2, 4, *shape), dtype=np.float32)
        together = predict([0, 1], [10, 900])
        assert np.allclose(together[0], predict([0], [10])[0], atol=1e-2)
        assert np.allclose(together[1], predict([1], [900])[0], atol=1e-2)
        assert not np.allclose(together[1], predict([1], [10])[0], atol=1e-2)


def test_tokens_are_merged_and_the_manifest_says_so(microscopic, bundle, tmp_path):
    plan = TokenMergingPlan(ratios=(0.5, 0.25), mode="drop", mlp=True)
    build(microscopic, tmp_path / "merged", precision="bf16", token_merging=plan)
    manifest = load_manifest(tmp_path / "merged")
    assert manifest.token_merging == plan
    assert manifest.precision == "bf16"
    assert manifest.revision != load_manifest(bundle).revision
    model = ov.Core().read_model(tmp_path / "merged" / "unet" / "openvino_model.xml")
    assert any("token_merging" in node.get_friendly_name() for node in model.get_ops())


def test_ratios_of_nothing_are_no_merging(microscopic, bundle, tmp_path):
    build(microscopic, tmp_path / "same", token_merging=TokenMergingPlan(ratios=(0.0,)))
    assert load_manifest(tmp_path / "same").revision == load_manifest(bundle).revision
    assert load_manifest(tmp_path / "same").token_merging is None


def test_another_default_size(microscopic, bundle, tmp_path):
    manifest = build(microscopic, tmp_path / "wide", size=(64, 48))
    assert (manifest.defaults.width, manifest.defaults.height) == (64, 48)
    assert manifest.sizes == load_manifest(bundle).sizes
    assert manifest.revision == load_manifest(bundle).revision, "the models are the same"


def test_the_quantiser_gets_the_merged_unet_and_its_account_reaches_the_manifest(
    microscopic, tmp_path, monkeypatch
):
    from modelkit import quantise

    seen: dict[str, Any] = {}
    account = Quantisation(method="ptq", samples=7, kept=("conv_in",))

    def pretend(model, source, *, workdir, say, profile):
        seen.update(
            defaults=profile.defaults,
            names=[node.get_friendly_name() for node in model.get_ops()],
            source=source,
            workdir=workdir,
        )
        return model, account

    monkeypatch.setattr(quantise, "quantise_unet", pretend)
    plan = TokenMergingPlan(ratios=(0.5,))
    given = GivenDefaults(steps=9, guidance_scale=2.5, scheduler="unipc")
    manifest = build(
        microscopic, tmp_path / "int8", precision="int8", token_merging=plan, defaults=given
    )
    said = manifest.defaults.steps, manifest.defaults.guidance_scale, manifest.defaults.scheduler
    assert said == (9, 2.5, "unipc")
    assert seen["defaults"] == manifest.defaults, "it is calibrated on what it is going to draw"
    assert (manifest.precision, manifest.quantisation) == ("int8", account)
    assert any("token_merging" in name for name in seen["names"])
    assert seen["source"] == microscopic
    assert not seen["workdir"].exists()


class Interruption(Silent):
    """Ctrl-C, when so many models are converted."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.converting = False

    def stage(self, name: str, total: int | None) -> None:
        self.converting = name == "convert the models"

    def advance(self, n: int = 1) -> None:
        if self.converting:
            self.left -= n
            if self.left == 0:
                raise KeyboardInterrupt


def test_an_interrupted_build_goes_on_where_it_was(microscopic, bundle, tmp_path, monkeypatch):
    target = tmp_path / "tiny"
    with pytest.raises(KeyboardInterrupt):
        build(microscopic, target, name="tiny", say=Interruption(after=3))
    assert not target.exists()
    (waiting,) = tmp_path.iterdir()
    assert {path.name for path in (waiting / "bundle").iterdir()} == {"text_encoder", "vae_decoder"}

    def never(folder):
        raise AssertionError(folder)

    monkeypatch.setattr(assembly, "convert_text_encoder", never)
    monkeypatch.setattr(assembly, "convert_vae_decoder", never)
    assert build(microscopic, target, name="tiny") == load_manifest(bundle)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    for part in ("text_encoder", "unet", "vae_decoder", "vae_encoder"):
        ours, theirs = (folder / part / "openvino_model.bin" for folder in (target, bundle))
        assert ours.read_bytes() == theirs.read_bytes()


def test_an_interrupted_build_of_something_else_is_forgotten(microscopic, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build(microscopic, tmp_path / "tiny", say=Interruption(after=2))
    manifest = build(microscopic, tmp_path / "tiny", precision="fp32")
    assert manifest.precision == "fp32"
    assert large_constants(tmp_path / "tiny") == {"f32"}
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_a_quantiser_that_was_interrupted_finds_what_it_left(microscopic, tmp_path, monkeypatch):
    from modelkit import quantise

    def interrupted(model, source, *, workdir, say, profile):
        workdir.mkdir(parents=True)
        (workdir / "half").write_text("way")
        raise KeyboardInterrupt

    def resumed(model, source, *, workdir, say, profile):
        return model, Quantisation(samples=len((workdir / "half").read_text()))

    monkeypatch.setattr(quantise, "quantise_unet", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(microscopic, tmp_path / "tiny", precision="int8")
    monkeypatch.setattr(quantise, "quantise_unet", resumed)
    manifest = build(microscopic, tmp_path / "tiny", precision="int8")
    assert manifest.quantisation == Quantisation(samples=3)


def knowing(account: Quantisation):
    """A quantiser that comes to this result, and leaves the UNet as it is."""
    return lambda model, source, *, workdir, say, profile: (model, account)


def test_an_int8_bundle_is_known_by_what_the_search_found(microscopic, tmp_path, monkeypatch):
    from modelkit import quantise

    def int8(account):
        monkeypatch.setattr(quantise, "quantise_unet", knowing(account))
        return build(microscopic, tmp_path / "tiny", precision="int8").revision

    first = int8(Quantisation(samples=7, kept=("conv_in",)))
    assert int8(Quantisation(samples=7, kept=("conv_in",))) == first
    assert int8(Quantisation(samples=7, kept=("conv_out",))) != first


def test_an_interruption_after_the_search_does_not_change_the_bundle(
    microscopic, tmp_path, monkeypatch
):
    from modelkit import quantise

    account = Quantisation(samples=7, kept=("conv_in",))
    monkeypatch.setattr(quantise, "quantise_unet", knowing(account))
    whole = build(microscopic, tmp_path / "whole", name="tiny", precision="int8")

    def interrupted(source, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(assembly, "_save_index", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(microscopic, tmp_path / "tiny", precision="int8")
    monkeypatch.setattr(quantise, "quantise_unet", knowing(Quantisation(samples=1)))
    assert build(microscopic, tmp_path / "tiny", name="tiny", precision="int8") == whole


def test_a_decoder_in_int8_is_part_of_the_bundle_s_identity(
    microscopic, bundle, tmp_path, monkeypatch
):
    manifest = build(microscopic, tmp_path / "small", vae="int8")
    assert manifest.precision == "fp16"
    assert manifest.quantisation is None
    assert manifest.vae_quantisation is not None
    assert manifest.revision != load_manifest(bundle).revision
    model = ov.Core().read_model(tmp_path / "small" / "vae_decoder" / "openvino_model.xml")
    assert [port.get_any_name() for port in model.outputs] == ["sample"]
    assert ov.Type.i8 in {op.get_element_type() for op in model.get_ops()
                          if op.get_type_name() == "Constant"}  # fmt: skip
    again = build(microscopic, tmp_path / "again", vae="int8")
    assert again.revision == manifest.revision, "calibrating twice comes to the same"


def test_an_interrupted_build_quantises_the_decoder_only(microscopic, tmp_path, monkeypatch):
    from modelkit import quantise
    from modelkit.quantise import decoder

    account = Quantisation(samples=7)
    monkeypatch.setattr(quantise, "quantise_unet", knowing(account))
    options: dict[str, Any] = {"precision": "int8", "vae": "int8"}
    whole = build(microscopic, tmp_path / "whole", name="tiny", **options)

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(decoder, "quantise", interrupted)
        with pytest.raises(KeyboardInterrupt):
            build(microscopic, tmp_path / "tiny", name="tiny", **options)
    (waiting,) = [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert (waiting / "bundle" / "unet").is_dir()
    assert not (waiting / "bundle" / "vae_decoder").exists()
    monkeypatch.setattr(assembly, "convert_unet", interrupted)
    assert build(microscopic, tmp_path / "tiny", name="tiny", **options) == whole


def test_a_failed_build_leaves_the_old_bundle_and_no_litter(microscopic, bundle, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    shutil.copyfile(microscopic / "model_index.json", broken / "model_index.json")
    before = load_manifest(bundle)
    with pytest.raises(BundleError, match="complete Stable Diffusion model"):
        build(broken, bundle)
    gc.collect()
    assert load_manifest(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["tiny"]


def test_a_build_that_fails_late_leaves_no_litter_either(microscopic, tmp_path, monkeypatch):
    def fail(folder, plan, features):
        raise BundleError("the UNet is nothing like one")

    monkeypatch.setattr(assembly, "convert_unet", fail)
    with pytest.raises(BundleError, match="nothing like one"):
        build(microscopic, tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


def test_two_builds_of_one_bundle_are_one_too_many(microscopic, tmp_path):
    class Second(Silent):
        def stage(self, name: str, total: int | None) -> None:
            if name == "convert the models":
                with pytest.raises(BundleError, match="being built by another process"):
                    build(microscopic, tmp_path / "tiny")
                self.tried = True

    second = Second()
    build(microscopic, tmp_path / "tiny", say=second)
    assert second.tried
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_the_same_source_gives_the_same_revision_and_may_replace(microscopic, bundle):
    before = load_manifest(bundle)
    assert build(microscopic, bundle, name="tiny") == before
    assert [path.name for path in bundle.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ((40, 32), "width of 40 pixels: give a multiple of 16 from 32 to 128, such as 32"),
        ((32, 56), "height of 56 pixels: give a multiple of 16 from 32 to 128, such as 64"),
        ((32, 1024), "height of 1024 pixels: give a multiple of 16 from 32 to 128, such as 128"),
        ((0, 32), "width of 0 pixels: give a multiple of 16 from 32 to 128, such as 32"),
    ],
)
def test_a_size_that_the_model_cannot_do(microscopic, tmp_path, size, sentence):
    with pytest.raises(BundleError, match=sentence):
        build(microscopic, tmp_path / "tiny", size=size)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (GivenDefaults(scheduler="lcm", steps=51), r"lcm \(it takes 1 to 50 steps.*--scheduler"),
        (GivenDefaults(scheduler="heun"), "there is no such scheduler"),
    ],
)
def test_a_default_that_cannot_draw_is_found_before_anything_is_made(
    microscopic, tmp_path, given, sentence
):
    with pytest.raises(BundleError, match=sentence):
        build(microscopic, tmp_path / "tiny", defaults=given)
    assert list(tmp_path.iterdir()) == []


def test_features_are_not_kept_by_a_model_for_a_few_steps(source, tmp_path):
    (source / "packshot.json").unlink()
    scheduler = ["diffusers", "EulerAncestralDiscreteScheduler"]
    edit(source / "model_index.json", scheduler=scheduler)
    edit(
        source / "scheduler" / "scheduler_config.json",
        _class_name=scheduler[1],
        timestep_spacing="trailing",
    )
    with pytest.raises(BundleError, match=r"in 4 steps.*Leave --deepcache"):
        build(source, tmp_path / "tiny", caching=DeepCacheOrder(interval=3))
    with pytest.raises(BundleError, match=r"in 4 steps.*Leave --deepcache"):
        build(source, tmp_path / "tiny", caching=BlockCacheOrder(threshold=0.5))


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (TokenMergingPlan(ratios=(0.9,)), "from 0 to 0.75"),
        (TokenMergingPlan(ratios=(0.5, 0.5)), "smallest image of the model has 2 latents a side"),
    ],
)
def test_a_plan_that_does_not_fit_is_found_before_anything_is_made(
    source, tmp_path, plan, sentence
):
    edit(source / "packshot.json", sizes={"min": 16, "max": 128, "multiple_of": 16})
    with pytest.raises(BundleError, match=sentence):
        build(source, tmp_path / "tiny", token_merging=plan)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("options", [{"precision": "int8-qat"}, {"unet": "trained"}])
def test_a_trained_unet_and_its_precision_belong_together(
    microscopic, tmp_path, options: dict[str, Any]
):
    with pytest.raises(BundleError, match="quantise-train"):
        build(microscopic, tmp_path / "tiny", **options)


def test_too_little_memory_is_said_before_anything_is_made(microscopic, tmp_path, monkeypatch):
    monkeypatch.setattr("modelkit.export.resources.free_memory", lambda: 2**28)
    with pytest.raises(BundleError, match=r"takes about 1\.0 GiB of memory, and 0\.2 GiB are free"):
        build(microscopic, tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


def test_too_little_disk_is_said_before_anything_is_made(microscopic, tmp_path, monkeypatch):
    monkeypatch.setattr("modelkit.export.resources.free_disk", lambda folder: 1000)
    with pytest.raises(BundleError, match="of disk at"):
        build(microscopic, tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


def test_the_judge_of_a_source_comes_along(source, tmp_path):
    (source / JUDGE).mkdir()
    (source / JUDGE / "config.json").write_text("{}")
    build(source, tmp_path / "bundle")
    assert (tmp_path / "bundle" / JUDGE / "config.json").read_text() == "{}"
