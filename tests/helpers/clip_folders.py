"""Small random CLIP folders of the stock open_clip classes, for tests."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from pipeline.config import OpenClipConfig
from pipeline.openclip.tokenizer import EOS_ID, PAD_ID, save_tokenizer, train_bpe
from pipeline.openclip.torchvision_compat import prepare_torchvision

PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}

VIT_LIKE: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
"""ViT-B-32's classes: CLIP, VisionTransformer, causal text tower, CLIP's own tokenizer."""

SIGLIP_LIKE: dict[str, Any] = {
    "embed_dim": 24,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 32,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
    },
    "text_cfg": {
        "context_length": 20,
        "vocab_size": 512,
        "hf_tokenizer_name": "local",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 16,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}
"""SigLIP 2's classes: CustomTextCLIP with a timm image tower, bidirectional text, last-token pooling, logit bias."""


def write_folder(folder: Path, config: dict[str, Any], **extra: Any) -> Path:
    """A ``local-dir:`` folder with random weights of ``config``; ``extra`` goes to the top of its JSON."""
    prepare_torchvision()
    from open_clip.model import CLIP, CustomTextCLIP

    torch.manual_seed(0)
    settings = json.loads(json.dumps(config))
    custom = settings.pop("custom_text", False)
    model = (CustomTextCLIP if custom else CLIP)(**settings)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: t.contiguous() for name, t in model.state_dict().items()},
        str(folder / "open_clip_model.safetensors"),
    )
    body = {"model_cfg": config, "preprocess_cfg": PREPROCESS, **extra}
    (folder / "open_clip_config.json").write_text(json.dumps(body))
    if "hf_tokenizer_name" in config["text_cfg"]:
        tokenizer = train_bpe(["a red circle moves left", "a blue ring"] * 3, vocab_size=512)
        save_tokenizer(tokenizer, folder, context_length=config["text_cfg"]["context_length"])
    assert (PAD_ID, EOS_ID) == (0, 2)
    return folder


def stock_clip(folder: Path, *, frames: int) -> OpenClipConfig:
    """A small CLIP of a stock class in ``folder``, asked for one concept of ``frames`` frames of a clip."""
    write_folder(folder, VIT_LIKE)
    return OpenClipConfig(model=str(folder), frames=frames, concepts={"blank": ("a black frame",)})
