"""Tokenize captions for the text tower, with the attributes that each sentence states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.openclip.tokenizer import PAD_ID
from pipeline.world.captions import (
    CAMERA_PHRASES,
    LIGHT_PHRASES,
    MOTION_PHRASES,
    PLACES,
    SHORT_PHRASES,
)
from pipeline.world.scene import BACKGROUNDS, COLOURS, SHAPES, SIZES, TEXTURES

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

CONTEXT_LENGTH = 128
"""Tokens of the embedded text tower; the longest dense caption of the world takes about 70."""
SLOTS: dict[str, int] = {
    "colour": len(COLOURS),
    "size": len(SIZES),
    "shape": len(SHAPES),
    "motion": len(MOTION_PHRASES),
    "speed": 2,
    "place": 9,
    "background": len(BACKGROUNDS),
    "texture": len(TEXTURES),
    "camera": len(CAMERA_PHRASES),
    "light": len(LIGHT_PHRASES),
}
"""What a sentence can state, and the number of values."""


def sentence_slots(sentence: str) -> dict[str, int]:
    """What one sentence of a world caption states: slot -> index of its value; empty for other sentences."""
    text = sentence.strip().rstrip(".").lower()
    for slot, phrases in (("camera", CAMERA_PHRASES), ("light", LIGHT_PHRASES)):
        if text.startswith(f"the {slot}"):
            return _first(slot, text, [p.rstrip(".").lower() for p in phrases.values()])
    if text.startswith("the background"):
        return _first("background", text, list(BACKGROUNDS)) | _first(
            "texture", text, list(TEXTURES)
        )
    found = _first("colour", text, list(COLOURS)) | _first("shape", text, list(SHAPES))
    if len(found) < 2:
        return {}
    found |= _first("size", text, list(SIZES)) | _first("speed", text, ["slowly", "quickly"])
    for i, (long, short) in enumerate(
        zip(MOTION_PHRASES.values(), SHORT_PHRASES.values(), strict=True)
    ):
        plain = text.replace("slowly ", "").replace("quickly ", "")
        if long.replace("{speed} ", "") in plain or short in plain:
            found["motion"] = i
    places = [p for row in PLACES for p in row]
    held = [i for i, p in enumerate(places) if text.endswith(p)]
    if held:
        found["place"] = max(held, key=lambda i: len(places[i]))
    return found


class TokenisedTexts:
    """All texts of a pool as token ids, with the slot labels of every sentence end."""

    def __init__(self, texts: Sequence[Sequence[str]], tokenizer: Tokenizer) -> None:
        flat = [t for group in texts for t in group]
        unique = list(dict.fromkeys(flat))
        self._number = {text: i for i, text in enumerate(unique)}
        stop = tokenizer.encode(".", add_special_tokens=False).ids[-1]
        self.ids: list[list[int]] = []
        self.labels: list[list[tuple[int, list[int]]]] = []
        cache: dict[str, list[int]] = {}
        for text, encoded in zip(unique, tokenizer.encode_batch(unique), strict=True):
            ids = encoded.ids
            if len(ids) > CONTEXT_LENGTH:
                raise ValueError(f"text of {len(ids)} tokens exceeds the context: {text!r}")
            ends = [i for i, token in enumerate(ids) if token == stop]
            sentences = [s for s in text.split(".") if s.strip()][: len(ends)]
            rows = []
            for end, sentence in zip(ends, sentences, strict=False):
                if sentence not in cache:
                    said = sentence_slots(sentence)
                    cache[sentence] = [said.get(slot, -1) for slot in SLOTS]
                rows.append((end, cache[sentence]))
            self.ids.append(ids)
            self.labels.append(rows)

    def number(self, text: str) -> int:
        """Index of a text; equal texts share it."""
        return self._number[text]

    def padded(self, numbers: Sequence[int]) -> torch.Tensor:
        """Token ids (B, L) int64, padded to the longest of the batch."""
        import torch

        rows = [self.ids[n] for n in numbers]
        out = torch.full((len(rows), max(map(len, rows))), PAD_ID, dtype=torch.long)
        for i, row in enumerate(rows):
            out[i, : len(row)] = torch.tensor(row)
        return out


def _first(slot: str, text: str, values: Sequence[str]) -> dict[str, int]:
    words = f" {text} "
    for i, value in enumerate(values):
        if f" {value} " in words or f" {value}," in words:
            return {slot: i}
    return {}
