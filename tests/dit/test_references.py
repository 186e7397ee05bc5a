"""References: what a clip is shown reaches that clip alone, wherever it stands, and old models are as they were."""

from dataclasses import replace

import pytest
import torch

from dit.config import DiTConfig, SamplerConfig
from dit.guidance import cfg, with_reference
from dit.guided import guided_velocity, plan_pack
from dit.levels import levels_of
from dit.model import DiT
from dit.packing import make_layout, patchify
from dit.parallel.context import Context
from dit.parallel.split import split_layout
from dit.references import GAP, with_references
from dit.samplers import generate
from tests.helpers.awake_dit import frozen_dit

PLAIN = DiTConfig(width=48, depth=2, heads=2, refiner_depth=1, latent_channels=4, text_dim=16)
TAKES = replace(PLAIN, references=True)
SHAPES = [(3, 4, 6), (1, 8, 8), (2, 4, 4)]


def awake(config: DiTConfig = TAKES) -> DiT:
    return frozen_dit(config)


def pack(shapes=SHAPES, shown=None, seed: int = 1):
    """Tokens, noise level of each, and the layout of clips of which ``shown`` are references."""
    torch.manual_seed(seed)
    texts = [torch.randn(3 + i, 16) for i in range(len(shapes))]
    tokens = [patchify(torch.randn(4, *shape), PLAIN.patch) for shape in shapes]
    layout = make_layout(shapes, texts, patch=PLAIN.patch, text_dim=16)
    t = torch.rand(len(shapes))[layout.clip]
    if shown is not None:
        layout = with_references(layout, shown, PLAIN.patch)
    return torch.cat(tokens), t, layout


def latents(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(4, *shape, generator=torch.Generator().manual_seed(seed))


def test_tokens_of_references_stand_behind_those_of_their_clip():
    _, _, layout = pack(shown=[[latents(1, 4, 4)], [], [latents(2, 2, 6), latents(1, 3, 5)]])
    refs = layout.references
    assert refs.segments.lengths == (18 + 4, 16, 8 + 6 + 6)
    owners = torch.cat((layout.clip, refs.clip))[refs.order]
    assert owners.tolist() == sorted(owners.tolist())
    assert torch.equal(refs.order[refs.places], torch.arange(len(owners)))
    assert refs.coords[:, 0].max() < -GAP + 1
    frames = refs.coords[refs.clip == 2][:, 0].unique().tolist()
    assert frames == [-GAP - 2 - GAP - 1, -GAP - 2, -GAP - 1]  # the first reference is the nearest


def test_without_any_reference_nothing_is_different():
    tokens, t, layout = pack(shown=[[], [], []])
    assert layout.references is None
    model = awake()
    plain = DiT(PLAIN).eval().requires_grad_(False)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if k != "reference"})
    assert torch.equal(model(tokens, t, layout), plain(tokens, t, layout))


def test_a_reference_reaches_its_clip_and_no_other():
    model = awake()
    tokens, t, layout = pack()
    before = model(tokens, t, layout)
    after = model(tokens, t, pack(shown=[[], [latents(1, 4, 4)], []])[2])
    changed = (before != after).any(1)
    assert changed[layout.clip == 1].all()
    torch.testing.assert_close(before[layout.clip != 1], after[layout.clip != 1], atol=1e-5, rtol=1e-5)  # fmt: skip


def test_a_clip_in_a_pack_is_the_clip_alone_with_its_references():
    model = awake()
    shown = [[latents(1, 4, 4)], [], [latents(2, 6, 4, seed=6), latents(1, 3, 5, seed=7)]]
    tokens, t, layout = pack(shown=shown)
    ours = model(tokens, t, layout)
    for i, shape in enumerate(SHAPES):
        own = layout.clip == i
        ends = layout.captions.ends
        alone = make_layout([shape], [layout.text[ends[i] : ends[i + 1]]], patch=PLAIN.patch, text_dim=16)  # fmt: skip
        alone = with_references(alone, [shown[i]], PLAIN.patch)
        torch.testing.assert_close(
            model(tokens[own], t[own], alone), ours[own], atol=1e-5, rtol=1e-5
        )


def test_every_weight_learns_the_tag_included():
    model = awake().requires_grad_(True)
    tokens, t, layout = pack(shown=[[latents(1, 4, 4)], [], []])
    model(tokens, t, layout).square().sum().backward()
    assert model.reference.grad.abs().sum() > 0
    assert all(p.grad is not None for p in model.parameters())


def test_levels_have_rows_of_zero_for_references():
    _, t, layout = pack(shown=[[latents(1, 4, 4)], [], [latents(1, 4, 4)]])
    found = levels_of(t, layout.clip, layout.references)
    assert torch.equal(found.of_tokens(), t)
    refs = layout.references
    among = found.value[found.among.index]
    assert torch.equal(among[refs.places[len(t) :]], torch.zeros(len(refs.clip)))
    assert torch.equal(found.at(found.value * 0.5).of_tokens(), t * 0.5)


def test_a_model_without_references_refuses_them():
    tokens, t, layout = pack(shown=[[latents(1, 4, 4)], [], []])
    with pytest.raises(ValueError, match="takes no references"):
        awake(PLAIN)(tokens, t, layout)
    with pytest.raises(ValueError, match="full attention"):
        DiTConfig(references=True, attention="factorised")
    with pytest.raises(ValueError, match="not shared by processes"):
        split_layout(layout, Context(size=2, rank=0))


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ([[]], "references of 1 clips for a pack of 3"),
        ([[latents(1, 4, 4)[0]], [], []], "must be latents"),
        ([[latents(1, 4, 4), torch.zeros(3, 1, 4, 4)], [], []], "different channels"),
    ],
)
def test_other_references_are_refused(shown, said):
    with pytest.raises(ValueError, match=said):
        pack(shown=shown)


def test_two_scales_are_the_formula_of_instruct_pix2pix():
    both, reference, neither = torch.randn(3, 7, 5)
    ours = with_reference(cfg(both, reference, 4.0), reference, neither, 1.5)
    torch.testing.assert_close(
        ours, neither + 1.5 * (reference - neither) + 4.0 * (both - reference)
    )
    assert torch.equal(with_reference(both, reference, neither, 1.0), both)


def test_the_guided_velocity_is_made_of_the_three_of_one_clip():
    model, shown = awake(), [[latents(1, 4, 4)]]
    texts = [torch.randn(4, 16)]

    def one(text, references):
        plan = plan_pack(TAKES, SHAPES[:1], [text], guided=False, references=references)
        return guided_velocity(model, plan)(plan.noise, 0.6)

    plan = plan_pack(TAKES, SHAPES[:1], texts, references=shown, reference_scale=2.0)
    config = SamplerConfig(guidance=3.0)
    ours = guided_velocity(model, plan, config, reference_scale=2.0)(plan.noise, 0.6)
    both, reference, neither = one(texts[0], shown), one(None, shown), one(None, None)
    torch.testing.assert_close(
        ours, neither + 2.0 * (reference - neither) + 3.0 * (both - reference), atol=1e-4, rtol=1e-4
    )
    assert plan.copies == 3
    single = plan_pack(TAKES, SHAPES[:1], texts, references=shown)
    assert single.copies == 2
    ours = guided_velocity(model, single, config)(single.noise, 0.6)
    torch.testing.assert_close(ours, reference + 3.0 * (both - reference), atol=1e-4, rtol=1e-4)


def test_samples_follow_what_they_are_shown_whatever_else_is_in_the_pack():
    model, texts = awake(), [torch.randn(4, 16), None]
    shown = [[latents(1, 4, 4)], []]
    config = SamplerConfig(steps=3)
    options = {"seeds": [1, 2], "references": shown, "reference_scale": 2.0}
    first, second = generate(model, SHAPES[:2], texts, config, **options)
    (alone,) = generate(
        model, SHAPES[:1], texts[:1], config, seeds=[1], references=shown[:1], reference_scale=2.0
    )
    torch.testing.assert_close(first, alone, atol=1e-4, rtol=1e-4)
    plain = generate(model, SHAPES[:2], texts, config, seeds=[1, 2])
    torch.testing.assert_close(second, plain[1], atol=1e-4, rtol=1e-4)
    assert (first - plain[0]).abs().max() > 1e-2
