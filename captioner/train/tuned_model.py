"""Choose which weights are fine-tuned, all or LoRA's, and save the result as a model folder.

LoRA: Hu et al. 2021, arXiv 2106.09685; here through the library peft.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.ask.model_note import ModelNote, write_note

if TYPE_CHECKING:
    import torch

NO_PEFT = "LoRA needs the package peft: pip install 'filmstock[lora]', or leave --lora out"


def choose_trained(
    model: Any, *, lora: int, targets: Sequence[str], train_vision: bool, seed: int
) -> Any:
    """The model with ``requires_grad`` set on what is to be trained, and LoRA's layers added where asked.

    Args:
        model: A loaded ``AutoModelForImageTextToText``.
        lora: Rank of the added matrices; 0 trains the weights themselves.
        targets: Last names of the linear layers that get LoRA (``q_proj``); empty: all but the output layer.
        train_vision: Whether the vision tower is trained too.
        seed: Of LoRA's random half; the other half is zero, so that training begins at the base.

    Raises ValueError without peft, or for targets that no layer is called.
    """
    tower = vision_tower(model)
    if lora <= 0:
        model.float()  # steps of 1e-5 vanish in bfloat16 weights
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        if tower is not None and not train_vision:
            for parameter in tower.parameters():
                parameter.requires_grad_(False)
        return model
    import torch

    names = lora_layers(model, targets, None if train_vision else tower)
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise ValueError(NO_PEFT) from None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Scale 2 (alpha = 2 r) is what most published recipes use; no dropout: the runs are short.
        return get_peft_model(
            model, LoraConfig(r=lora, lora_alpha=2 * lora, lora_dropout=0.0, target_modules=names)
        )


def vision_tower(model: Any) -> Any | None:
    """The module that turns pixels into features, None where transformers does not know it by name."""
    tower = model.get_encoder(modality="image")
    inside = any(module is tower for module in model.modules())
    whole = sum(p.numel() for p in model.parameters())
    return tower if inside and sum(p.numel() for p in tower.parameters()) < whole else None


def lora_layers(model: Any, targets: Sequence[str], left_out: Any | None) -> list[str]:
    """Full names of the linear layers that get LoRA."""
    import torch

    skipped = {id(module) for module in left_out.modules()} if left_out is not None else set()
    skipped.add(id(model.get_output_embeddings()))
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and id(module) not in skipped
    ]
    there = sorted({name.rpartition(".")[2] for name in linear})
    if missing := sorted(set(targets) - set(there)):
        raise ValueError(
            f"no layer of {type(model).__name__} is called {', '.join(missing)}; "
            f"LoRA can be put on {', '.join(there)}"
        )
    return [name for name in linear if not targets or name.rpartition(".")[2] in targets]


def check_targets(folder: Path, targets: Sequence[str]) -> None:
    """Raise ValueError for LoRA targets that no weight in a model folder is named after; nothing is loaded.

    ``lora_layers`` knows the layers themselves. Folders without safetensors files are left to it.
    """
    from pipeline.store.weights import stored_shapes

    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")) if targets else ():
        shapes |= stored_shapes(file)
    owners = {name.split(".")[-2] for name in shapes if "." in name}
    if not owners or not (missing := sorted(set(targets) - owners)):
        return
    matrices = {
        name.split(".")[-2]
        for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) == 2
    }
    there = sorted(name for name in matrices if name != "lm_head" and "embed" not in name)
    raise ValueError(
        f"no layer of the model in {folder} is called {', '.join(map(repr, missing))}; "
        f"LoRA can be put on {', '.join(there)}"
    )


def trained(model: Any) -> dict[str, torch.nn.Parameter]:
    """Parameters that are trained, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def training_mode(model: Any) -> None:
    """Training mode, but for batch statistics: those of a batch of frames are not those it will serve with."""
    import torch

    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()


def export(model: Any, processor: Any, out: Path, note: ModelNote, dtype: Any) -> None:
    """Write ``out/weights``, a model folder that anything loads, and for LoRA ``out/adapter`` as peft writes it.

    LoRA's matrices are merged into ``weights``. The model given is changed: use it no more. Each folder appears whole.
    """
    if hasattr(model, "merge_and_unload"):
        with _folder(out / "adapter") as folder:
            # "auto" would ask the hub whether the vocabulary has grown.
            model.save_pretrained(folder, save_embedding_layers=False)
        model = model.merge_and_unload()
    if dtype is not None:
        model.to(dtype)
        model.config.dtype = dtype
    with _folder(out / "weights") as folder:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        write_note(folder, note)


class _folder:
    """A folder written under another name, which then takes the place of ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.draft = path.with_name(f".{path.name}.tmp")

    def __enter__(self) -> Path:
        shutil.rmtree(self.draft, ignore_errors=True)
        self.draft.mkdir(parents=True)
        return self.draft

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for file in self.draft.iterdir():
                file.chmod(0o644)  # safetensors writes for its owner alone
            shutil.rmtree(self.path, ignore_errors=True)
            self.draft.rename(self.path)
