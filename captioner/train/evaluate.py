"""How true a captioner's dense captions are of scenes it was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from captioner.ask.prompts import WORLD_PROMPTS, fill
from captioner.train.world_data import SIZES, render_example
from pipeline.world.captions import attribute_f1, attributes, parse_caption


def evaluate(
    model: Any, processor: Any, *, count: int, split: str = "heldout", first: int = 0
) -> dict[str, float]:
    """Attribute F1 of dense captions on ``count`` whole scenes rendered at several sizes, through ``generate``."""
    import torch

    pairs = []
    for start in range(first, first + count, 16):
        seeds = range(start, min(start + 16, first + count))
        examples = [render_example(s, split, size=SIZES[s % len(SIZES)], crop=False) for s in seeds]
        prompts = [
            {
                "role": "user",
                "content": [{"type": "image"}] * len(e.images)
                + [
                    {
                        "type": "text",
                        "text": fill(
                            WORLD_PROMPTS["dense"], frames=len(e.images), seconds=e.seconds
                        ),
                    }
                ],
            }
            for e in examples
        ]
        texts = [processor.apply_chat_template([p], add_generation_prompt=True) for p in prompts]
        inputs = processor(
            text=texts, images=[list(e.images) for e in examples], padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=120, do_sample=False)
        replies = processor.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        pairs += [
            (parse_caption(r), attributes(e.scene)) for r, e in zip(replies, examples, strict=True)
        ]
    return {
        "f1": attribute_f1(pairs),
        "camera": float(np.mean([p.camera == t.camera for p, t in pairs])),
        "objects": float(np.mean([set(p.objects) == set(t.objects) for p, t in pairs])),
        "looks": float(
            np.mean([{o[:2] for o in p.objects} == {o[:2] for o in t.objects} for p, t in pairs])
        ),
    }
