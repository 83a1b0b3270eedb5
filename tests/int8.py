"""How a test compiles an INT8 model whose numbers it compares."""

from bundles.processor import INT8, read_features


def exact_int8() -> dict[str, str]:
    """Return the options under which INT8 arithmetic is exact on this processor.

    Without INT8 instructions (AVX-512 VNNI, AVX-VNNI or AMX) products are summed in 16 bits, which
    saturate: the kernels then show the processor's error and not the model's. There the same
    quantised model is computed in floating point.
    """
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return exact if read_features() & INT8 else exact | {"LP_TRANSFORMS_MODE": "NO"}
