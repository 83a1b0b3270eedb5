"""The schedulers that a request may name, and the `diffusers` class of each.

Only names: the API checks them without loading a model library.
"""

from collections.abc import Mapping

SCHEDULERS: Mapping[str, str] = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "pndm": "PNDMScheduler",
    "lcm": "LCMScheduler",
}

NOT_RESUMABLE: Mapping[str, str] = {
    "pndm": "pndm repeats its first timestep to begin its history, so it cannot begin half way",
    "lcm": "lcm takes a few steps, each of which redraws the whole image: none can be spared",
}
"""The schedulers whose images never begin with another image's latents, and why."""
