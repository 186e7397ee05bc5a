"""The matrices of a DiT's blocks as int8 with a scale for each row, by torchao: a quarter of the memory of float32.

torchao is an optional dependency, imported by the function that needs it alone. Activations and products keep their
number format; only what is stored is small.
"""

from __future__ import annotations

from torch import nn

from dit.layers import Linear
from dit.model import DiT


def int8_weights(model: DiT) -> DiT:
    """Quantize the matrices of the blocks and of the text refiner in place; returns ``model``, for sampling alone.

    Modulation, time, and the first and last layer keep their format: they are small, and each token's scale hangs on
    them. ``ValueError`` where torchao cannot be imported.
    """
    try:
        from torchao.quantization import Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise ValueError(
            f"int8 weights need torchao, which cannot be imported ({error}); `pip install 'filmstock[quant]'`, or "
            "leave --weights out"
        ) from error
    quantize_(model, Int8WeightOnlyConfig(), filter_fn=in_blocks)
    return model


def in_blocks(module: nn.Module, name: str) -> bool:
    """Whether a module is a matrix that is quantized."""
    return isinstance(module, Linear) and "blocks." in name


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights as they lie in memory; of a quantized matrix its numbers and scales."""
    total = 0
    for parameter in model.parameters():
        parts = getattr(parameter, "tensor_data_names", None)
        tensors = [getattr(parameter, name) for name in parts] if parts else [parameter]
        total += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return total
