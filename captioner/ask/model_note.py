"""``filmstock.json`` in a model folder: how a captioner that was trained here wants to be asked.

A fine-tuned captioner answers the question that it was taught, over as many frames as it was taught with. The note
lets ``[caption] model = FOLDER`` ask it so without a word in the recipe.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captioner.config import CaptionConfig

NOTE_NAME = "filmstock.json"


@dataclass(frozen=True, kw_only=True)
class ModelNote:
    """What a model folder says about its training."""

    prompts: dict[str, str]
    """Kind -> question."""
    kind: str | None = None
    """Caption kind that it was fine-tuned for, the only one to be trusted; None: several."""
    frames: int = 8
    """Frames shown in training."""
    frame_side: int = 384
    """Longer side that frames were scaled down to before the model's own processor, pixels."""
    image_backend: str | None = None
    """Resampling that the processor was trained with: ``pil``, or None for the processor's default."""
    base: str = ""
    """Identity of the model that it was fine-tuned from."""


def read_note(model: str) -> ModelNote | None:
    """The note of a local model folder, None where there is none; ValueError for one that cannot be read."""
    import msgspec

    path = Path(model).expanduser() / NOTE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=ModelNote)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.DecodeError, OSError) as error:
        raise ValueError(f"{path} is not what filmstock writes: {error}; delete it") from None


def unlike_training(config: CaptionConfig) -> str | None:
    """What a recipe asks of a fine-tuned captioner that it was not taught, as one line; None where all is as taught."""
    note = read_note(config.model) if config.backend == "transformers" else None
    if note is None:
        return None
    odd = [
        f"{name} = {getattr(config, name)} instead of {getattr(note, name)}"
        for name in ("frames", "frame_side")
        if getattr(config, name) != getattr(note, name)
    ]
    odd += [f"kind {kind}" for kind in config.asked if note.kind not in (None, kind)]
    if not odd:
        return None
    taught = f"was fine-tuned for {note.kind} captions" if note.kind else "was trained otherwise"
    return f"{config.model} {taught}; the recipe asks for {', '.join(odd)}"


def write_note(folder: Path, note: ModelNote) -> None:
    """Write the note into a model folder that is not in use yet."""
    import json

    (folder / NOTE_NAME).write_text(json.dumps(asdict(note), indent=2) + "\n")
