"""Low-rank adapters (LoRA, arXiv 2106.09685) on the matrices inside the blocks, by peft.

peft is an optional dependency and imports transformers, so it is imported by the functions that need it alone.
"""

from __future__ import annotations

import copy

from torch import nn

from dit.model import DiT
from pipeline.openclip.torchvision_compat import prepare_torchvision

TARGETS = r"(text\.)?blocks\.\d+\..*\.(qkv|q|kv|out|up|down)"
"""Matrices that get an adapter: attention and MLPs, of the text refiner too."""


def add_lora(model: DiT, rank: int, alpha: int) -> DiT:
    """Put adapters of ``rank``, scaled by alpha / rank, beside the matrices; all else is frozen. Returns ``model``.

    They begin as zero: the model computes what it computed.
    """
    prepare_torchvision()  # peft imports transformers, and that torchvision
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError(
            f"adapters need peft, which cannot be imported ({error}); `pip install peft`, or fine-tune all weights"
        ) from error
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=TARGETS, init_lora_weights=True)
    inject_adapter_in_model(config, model)
    return model


def merged(model: DiT) -> DiT:
    """The model itself, or a copy with its adapters multiplied out and added to the matrices beside them."""
    if not any("lora_" in name for name, _ in model.named_parameters()):
        return model
    from peft.tuners.lora import LoraLayer

    result = copy.deepcopy(model)
    for name, module in list(result.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, last = name.rpartition(".")
            base: nn.Module = module.get_base_layer()
            setattr(result.get_submodule(parent), last, base)
    return result
