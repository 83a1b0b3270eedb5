"""Configurations of full-size models, as their own files have them; without PyTorch."""

FAMILIES = ("sd15", "sdxl", "ssd-1b")
"""Stable Diffusion 1.5, Stable Diffusion XL, and SSD-1B, which is half of it."""
POOLED = 1280
"""Features of the second text encoder's pooled output, in models of Stable Diffusion XL's shape."""

UNET = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
}
"""As in the model's own unet/config.json; what is not named is the default of `diffusers`."""

XL_UNET = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
    "up_block_types": (*("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
    "layers_per_block": 2,
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 6 * 256 + POOLED,
}
"""As in Stable Diffusion XL 1.0's."""

HALF_XL_UNET = XL_UNET | {
    "mid_block_type": "UNetMidBlock2D",
    "transformer_layers_per_block": (0, (2, 2), (4, 4)),
    "reverse_transformer_layers_per_block": ((4, 4, 10), (2, 1, 1), 0),
}
"""As in SSD-1B's."""

UNETS = {"sd15": UNET, "sdxl": XL_UNET, "ssd-1b": HALF_XL_UNET}

AUTOENCODER = {
    "sample_size": 512,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.18215,
}

TEXT_ENCODER = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}


SECOND_TEXT_ENCODER = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": POOLED,
    "hidden_act": "gelu",
}
