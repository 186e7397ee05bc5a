"""Only the answer is learned, on the token ids that generation would see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioner.ask.frames import from_pixels
from captioner.backends.base import Request
from captioner.backends.transformers import end_ids, load_model, prompt_inputs
from captioner.train.answers import answer_ids, answer_loss, encode, end_mark
from pipeline.openclip.torchvision_compat import prepare_torchvision
from tests.helpers.tiny_vlms import BUILDERS


@pytest.fixture(scope="module", params=list(BUILDERS))
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    prepare_torchvision()
    import torch

    torch.manual_seed(2)
    folder: Path = tmp_path_factory.mktemp("vlm") / "m"
    return load_model(BUILDERS[request.param](folder))


def ask(name: str, count: int, prompt: str) -> Request:
    images = np.random.default_rng(count).integers(0, 256, (count, 36, 48, 3), np.uint8)
    return Request(clip_id=name, kind="dense", frames=from_pixels(images, 2.0), prompt=prompt)


ROWS = [
    (ask("a", 3, "What happens?"), "a red circle moves left"),
    (ask("b", 1, "What happens in this much longer question?"), "red"),
    (ask("c", 3, "What?"), "moves left, moves left, moves left"),
]


def test_loss_is_the_models_own_on_hand_masked_labels(loaded) -> None:
    """Rows of unequal frames, questions and answers in one batch, against each row alone without any padding."""
    import torch

    processor, model = loaded
    ends = end_ids(model, processor.tokenizer)
    answers = [answer_ids(processor, request, text, ends) for request, text in ROWS]
    batch = encode(processor, [(r, ids) for (r, _), ids in zip(ROWS, answers, strict=True)])
    assert batch.n_tokens == sum(map(len, answers))
    theirs = 0.0
    with torch.no_grad():
        for (request, _), answer in zip(ROWS, answers, strict=True):
            inputs = dict(prompt_inputs(processor, [request]))
            before = inputs["input_ids"].shape
            ids = torch.cat([inputs["input_ids"], torch.tensor([answer])], 1)
            for name, values in inputs.items():
                if values.shape == before:
                    filler = torch.full((1, len(answer)), int(name == "attention_mask"))
                    inputs[name] = torch.cat([values, filler.to(values.dtype)], 1)
            inputs["input_ids"] = ids
            labels = torch.full_like(ids, -100)
            labels[0, before[1] :] = ids[0, before[1] :]
            theirs += float(model(**inputs, labels=labels).loss) * len(answer)
        ours = float(answer_loss(model, batch))
    assert abs(ours - theirs) < 1e-4 * theirs


def test_what_comes_before_an_answer_is_what_generation_is_given(loaded) -> None:
    processor, model = loaded
    ends = end_ids(model, processor.tokenizer)
    rows = [(r, answer_ids(processor, r, text, ends)) for r, text in ROWS]
    batch = encode(processor, rows)
    for i, (request, answer) in enumerate(rows):
        asked = prompt_inputs(processor, [request])
        row = batch.inputs["input_ids"][i]
        assert row[: batch.starts[i]].tolist() == asked["input_ids"][0].tolist()
        assert row[batch.starts[i] : batch.ends[i]].tolist() == answer
        assert batch.inputs["attention_mask"][i].sum() == batch.ends[i]


def test_an_answer_decodes_to_the_caption_and_ends_with_the_mark_that_stops_generation(loaded):
    processor, model = loaded
    ends = end_ids(model, processor.tokenizer)
    ids = answer_ids(processor, *ROWS[0], ends)
    assert ids[-1] == end_mark(processor.tokenizer, ends) and ids[-1] in ends
    assert not set(ids[:-1]) & ends
    assert processor.tokenizer.decode(ids[:-1]).strip() == ROWS[0][1]


def test_the_reply_is_laid_out_as_the_chat_template_lays_it_out(loaded, monkeypatch) -> None:
    """SmolVLM's own template puts a space after its ``Assistant:``; a fixed layout would teach another first token."""
    processor, model = loaded
    ends = end_ids(model, processor.tokenizer)
    end = processor.tokenizer.eos_token
    template = (
        "{% for message in messages %}{{ message['role'] }}:"
        "{% for part in message['content'] %}"
        "{% if part['type'] == 'text' %}{{ ' ' + part['text'] }}{% endif %}{% endfor %}END\n"
        "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
    )
    monkeypatch.setattr(processor, "chat_template", template.replace("END", end))
    ids = answer_ids(processor, *ROWS[0], ends)
    assert processor.tokenizer.decode(ids[:-1]) == " " + ROWS[0][1]
    forgetful = template.replace("{{ message['role'] }}:", "{{ loop.length }}:")
    monkeypatch.setattr(processor, "chat_template", forgetful.replace("END", end))
    assert processor.tokenizer.decode(answer_ids(processor, *ROWS[0], ends)[:-1]) == ROWS[0][1]


def test_a_caption_with_a_special_token_is_refused(loaded) -> None:
    processor, model = loaded
    end = processor.tokenizer.eos_token
    with pytest.raises(ValueError, match="clip a holds the special token"):
        answer_ids(processor, ROWS[0][0], f"a {end} b", end_ids(model, processor.tokenizer))
