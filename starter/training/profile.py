"""What the starter says about itself, and how it becomes a bundle."""

from bundles.manifest import Defaults, Quantisation, Sizes
from modelkit.export.source import Build, Profile

_LINEAR = "__module.unet.{}/aten::linear/MatMul"
_CONVOLUTION = "__module.unet.{}/aten::_convolution/Convolution"

_KEPT_LINEAR = (
    "time_embedding.linear_1",
    "down_blocks.0.resnets.0.time_emb_proj",
    "down_blocks.1.resnets.0.time_emb_proj",
    "down_blocks.2.resnets.0.time_emb_proj",
    "mid_block.resnets.0.time_emb_proj",
    "mid_block.resnets.1.time_emb_proj",
    "up_blocks.0.resnets.0.time_emb_proj",
    "up_blocks.0.resnets.1.time_emb_proj",
    "up_blocks.1.resnets.0.time_emb_proj",
    "up_blocks.1.resnets.1.time_emb_proj",
    "up_blocks.2.resnets.0.time_emb_proj",
    "up_blocks.2.resnets.1.time_emb_proj",
    "up_blocks.1.attentions.0.transformer_blocks.0.ff.net.2",
    "up_blocks.1.attentions.1.transformer_blocks.0.ff.net.2",
    "up_blocks.2.attentions.0.transformer_blocks.0.ff.net.2",
)
_KEPT_CONVOLUTION = (
    "conv_in",
    "conv_out",
    "up_blocks.2.resnets.0.conv_shortcut",
    "up_blocks.2.resnets.1.conv_shortcut",
)

QUANTISATION = Quantisation(
    method="ptq",
    smooth_quant_alpha=None,
    bias_correction="fast",
    samples=48,
    kept=(
        *(_LINEAR.format(layer) for layer in _KEPT_LINEAR),
        *(_CONVOLUTION.format(layer) for layer in _KEPT_CONVOLUTION),
    ),
)
"""What `model build --precision int8` found on these weights (docs/decisions/0007)."""

STARTER = Profile(
    name="starter",
    licence="Apache-2.0",
    defaults=Defaults(steps=20, guidance_scale=3.0, scheduler="dpmpp_2m", width=128, height=128),
    sizes=Sizes(min=64, max=256, multiple_of=32, tested=((128, 128),)),
    build=Build(precision="int8", quantisation=QUANTISATION),
    # A call of it is too small to keep several cores busy (docs/decisions/0008).
    streams=2,
)
"""What requests to the starter model get by default, and how it is built."""
