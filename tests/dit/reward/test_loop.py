"""Fine-tuning by reward: it learns what is rewarded, goes on bit for bit, and refuses what is another run's."""

import dataclasses

import numpy as np
import pytest
import torch

from dit.checkpoint import load_dit, save_dit
from dit.reward.config import RewardConfig
from dit.reward.draw import Ask, Judges
from dit.reward.loop import train
from dit.reward.start import Start
from pipeline.training.state import load_state, save_state
from tests.helpers.json_lines import json_lines
from tests.helpers.pixel_models import LetterEncoder, PixelVae, pixel_dit

CONFIG = RewardConfig(
    steps=4, prompts_per_step=2, group=4, updates=2, draw_steps=2, guidance=2.0, precision="fp32",
    checkpoint_every=3, tokens_per_pack=64, lr=1e-2, anchor_share=0.3, sample_every=0,
)  # fmt: skip


def bright(videos, prompts, fps):
    """Mean of all pixels."""
    return [float(video.mean()) / 255 for video in videos]


def asks(step):
    """A video and an image; other prompts at each step."""
    return [Ask(prompt=f"red {step}", shape=(2, 4, 4)), Ask(prompt="blue", shape=(1, 4, 4))]


def begun() -> Start:
    loaded = pixel_dit()
    weights = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    return Start(model=loaded.model.config, weights=weights, id="begun", latents=loaded.latents)


def run(out, config=CONFIG, *, reward=bright, wanted=asks, **options):
    return train(
        begun(), config, wanted, Judges(parts={"bright": (1.0, reward)}), out,
        vae=PixelVae(), text_encoder=LetterEncoder(), facts={"rewards": {"bright": 1.0}}, **options,
    )  # fmt: skip


def rows(out):
    return json_lines(out / "metrics.jsonl")


@pytest.mark.parametrize(("guidance", "gain"), [(2.0, 0.1), (1.0, 0.05)])
def test_it_learns_what_is_rewarded(tmp_path, guidance, gain):
    config = dataclasses.replace(
        CONFIG, steps=8, group=16, updates=4, lr=3e-2, decay_share=0.1, guidance=guidance
    )
    done = run(tmp_path, config, wanted=lambda step: [Ask(prompt="red", shape=(1, 4, 4))])
    found = rows(tmp_path)
    assert np.mean([row["reward"] for row in found[-3:]]) > found[0]["reward"] + gain
    assert found[0]["distance"] == 0 < found[-1]["distance"]
    assert found[-1]["reward_bright"] == found[-1]["reward"]
    kept = load_dit(tmp_path)
    assert kept.info["started_from"] == "begun" and kept.info["steps"] == done.step == 8
    models = {"averaged": done.policy.model, "raw": done.model}
    ids = {name: save_dit(m, kept.latents, tmp_path / name / "x") for name, m in models.items()}
    assert kept.id == ids["averaged"] != ids["raw"], "it drew its videos with the averaged ones"


def test_resume_is_bitwise_equal(tmp_path):
    run(tmp_path / "whole")
    run(tmp_path / "cut", stop_after=2)  # nothing saved yet: begins anew
    run(tmp_path / "cut", stop_after=3)
    drawn = []
    run(tmp_path / "cut", on_draw=drawn.append)
    assert sum(drawn) == 2 * 8  # one step was left, each of its videos drawn and scored
    states = [load_state(tmp_path / name / "state.pt") for name in ("whole", "cut")]
    for part in (lambda s: s["model"], lambda s: s["policy"]["weights"]):
        pairs = zip(part(states[0]).values(), part(states[1]).values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    timed = {"draw_s", "elapsed_s"}
    plain = [
        [{k: v for k, v in row.items() if k not in timed} for row in rows(tmp_path / name)]
        for name in ("whole", "cut")
    ]
    assert plain[0] == plain[1]
    assert [row["step"] for row in plain[0]] == [1, 2, 3, 4]
    assert load_dit(tmp_path / "whole").id == load_dit(tmp_path / "cut").id


def test_resume_refuses_another_run(tmp_path):
    run(tmp_path, stop_after=3)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"beta = 1.0 \(now 2.0\)"):
        run(tmp_path, dataclasses.replace(CONFIG, beta=2.0))
    with pytest.raises(ValueError, match="another learning rate"):
        run(tmp_path, dataclasses.replace(CONFIG, steps=3))
    with pytest.raises(ValueError, match="dark"):
        train(
            begun(), CONFIG, asks, Judges(parts={}), tmp_path,
            vae=PixelVae(), text_encoder=LetterEncoder(), facts={"rewards": {"dark": 1.0}},
        )  # fmt: skip
    other = dataclasses.replace(begun(), id="another")
    with pytest.raises(ValueError, match="started from DiT begun, this run from DiT another"):
        train(
            other, CONFIG, asks, Judges(parts={}), tmp_path,
            vae=PixelVae(), text_encoder=LetterEncoder(), facts={"rewards": {"bright": 1.0}},
        )  # fmt: skip
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    save_state(tmp_path / "state.pt", {"step": 3})
    with pytest.raises(ValueError, match="no checkpoint of reward-dit"):
        run(tmp_path)


def test_what_no_reward_sees_stays_as_it_was(tmp_path):
    """With a heavy anchor the velocity without a caption moves less than without one."""
    moved = []
    for name, anchor in (("free", 0.0), ("held", 30.0)):
        config = dataclasses.replace(CONFIG, steps=5, anchor=anchor, anchor_share=1.0)
        done = run(tmp_path / name, config)
        from dit.reward.batch import noise_pack, without_captions
        from dit.reward.loop import velocity

        latent, generator = torch.randn(3, 2, 4, 4), torch.Generator().manual_seed(1)
        pack = noise_pack([latent], [None], torch.ones(1), done.model.config, config, generator)
        bare = without_captions(pack, done.model.config)
        with torch.no_grad():
            gap = velocity(done.model, bare) - velocity(done.start, bare)
        moved.append(float(gap.square().mean()))
    assert moved[1] < 0.5 * moved[0]


def test_rewards_that_all_agree_leave_the_weights_near(tmp_path):
    """Nothing is better than anything: no video pulls, and only weight decay is left."""
    config = dataclasses.replace(CONFIG, weight_decay=0.0)
    done = run(tmp_path, config, reward=lambda videos, *_: [0.7] * len(videos))
    assert all(row["agreed"] == 1 and row["loss"] == 0 for row in rows(tmp_path))
    pairs = zip(done.model.parameters(), done.start.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_gradient_that_is_not_finite_is_skipped(tmp_path, monkeypatch):
    from dit.reward import loop

    contrast = loop.contrast
    seen = []

    def broken(*args):
        seen.append(1)
        return contrast(*args) * (float("nan") if len(seen) == 2 else 1.0)

    monkeypatch.setattr(loop, "contrast", broken)
    done = run(tmp_path)
    assert done.skipped == 1 and done.step == 4
    assert all(bool(p.isfinite().all()) for p in done.model.parameters())


@pytest.mark.parametrize("wrong", [[1.2, 0, 0, 0], [float("nan")] * 4, [0.5]])
def test_a_reward_out_of_bounds_is_named(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"reward 'bright' gave .* one number in 0 to 1 for each"):
        run(tmp_path, reward=lambda *_: wrong)
