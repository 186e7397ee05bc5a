"""Few-step models: what they have baked in is kept, used, and defended against other settings."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dit.checkpoint import load_dit, save_dit
from dit.conditioning import edited_latents, given_frames, given_latents
from dit.config import DiTConfig, SampleConfig, SamplerConfig
from dit.few_steps import FewSteps
from dit.files import open_dit, read_config
from dit.latents import LatentSpec
from dit.model import DiT
from dit.samplers import generate
from tests.helpers.awake_dit import frozen_dit

FEW = FewSteps(steps=3, teacher_steps=6, guidance=5.0, shift=3.0, teacher="abc")
PLAIN = DiTConfig(width=24, depth=1, heads=2, mlp_ratio=2, latent_channels=4, text_dim=6)
SHAPES = [(3, 4, 4)]
TEXT = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))


def few_model() -> DiT:
    return frozen_dit(replace(PLAIN, few_steps=FEW), seed=1)


def test_a_checkpoint_remembers_its_steps(tmp_path: Path) -> None:
    spec = LatentSpec(vae_id="v", text_encoder_id="t", mean=(0.0,) * 4, std=(1.0,) * 4)
    save_dit(few_model(), spec, tmp_path / "dit.safetensors")
    assert load_dit(tmp_path).model.config.few_steps == FEW
    assert open_dit(tmp_path).config.few_steps == FEW
    assert read_config(tmp_path).few_steps == FEW


def test_settings_survive_a_trip_through_json_and_unknown_ones_are_named() -> None:
    shape = replace(PLAIN, few_steps=FEW)
    assert DiTConfig.from_dict(shape.to_dict()) == shape
    assert DiTConfig.from_dict(PLAIN.to_dict()) == PLAIN
    told = {**shape.to_dict(), "few_steps": {"steps": 4, "jumps": 1}}
    with pytest.raises(ValueError, match="'jumps'; the checkpoint is newer"):
        DiTConfig.from_dict(told)


def test_steps_of_the_teacher_must_divide() -> None:
    with pytest.raises(
        ValueError, match="9 steps of the teacher are no multiple of 4 steps; give 8"
    ):
        FewSteps(steps=4, teacher_steps=9)
    assert FEW.parts == 2


def test_without_settings_a_few_step_model_is_sampled_as_it_was_distilled() -> None:
    """Three Euler steps with the caption alone, at the levels of the baked shift."""
    model = few_model()
    (ours,) = generate(model, SHAPES, [TEXT], seeds=[3])
    plain = frozen_dit(PLAIN, seed=1)
    plain.load_state_dict(model.state_dict())
    settings = SamplerConfig(steps=3, guidance=1.0, shift=3.0)
    (same,) = generate(plain, SHAPES, [TEXT], settings, seeds=[3])
    assert torch.equal(ours, same)
    (usual,) = generate(plain, SHAPES, [TEXT], seeds=[3])
    assert not torch.allclose(ours, usual)


def test_open_settings_become_the_usual_ones_or_the_models() -> None:
    usual = SampleConfig(frames=5).settled()
    assert (usual.steps, usual.guidance, usual.frames) == (30, 4.0, 5)
    baked = SampleConfig(frames=5).settled(FEW)
    assert (baked.steps, baked.guidance, baked.shift, baked.frames) == (3, 5.0, 3.0, 5)
    assert baked.settled(FEW) == baked
    assert SampleConfig(steps=7).settled().steps == 7


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 8}, "--steps 8: this DiT was distilled to 3 steps with guidance 5 in it"),
        ({"guidance": 1.0}, "--guidance 1.0: "),
        ({"solver": "heun"}, "--solver heun: "),
        ({"shift": 1.5}, "--shift 1.5: "),
        ({"rescale": 0.7}, "--rescale 0.7: "),
        ({"reuse": 2}, "--reuse 2: "),
    ],
)
def test_other_settings_are_refused_by_name(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        generate(few_model(), SHAPES, [TEXT], SamplerConfig(**settings))


def test_the_same_settings_may_be_given() -> None:
    model = few_model()
    (ours,) = generate(model, SHAPES, [TEXT])
    (said,) = generate(model, SHAPES, [TEXT], SamplerConfig(steps=3, guidance=5.0))
    assert torch.equal(ours, said)


def test_given_frames_stay_and_the_rest_is_made() -> None:
    clean = torch.randn(4, 3, 4, 4)
    given = given_latents(clean, given_frames(3, "first"))
    (made,) = generate(few_model(), SHAPES, [TEXT], conditions=[given])
    assert torch.equal(made[:, 0], clean[:, 0])
    assert not torch.allclose(made[:, 1:], clean[:, 1:])


def test_a_start_between_data_and_noise_is_refused() -> None:
    edited = edited_latents(torch.randn(4, 3, 4, 4), 0.6)
    with pytest.raises(ValueError, match="nothing in between; use strength 1"):
        generate(few_model(), SHAPES, [TEXT], conditions=[edited])
    generate(few_model(), SHAPES, [TEXT], conditions=[edited_latents(edited.clean, 1.0)])
