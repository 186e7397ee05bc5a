"""The packed transformer: what one clip gets does not depend on the others, and what it starts as."""

import shutil
from dataclasses import replace

import pytest
import torch

from dit.attention import attend, attend_loop
from dit.config import PRESETS, DiTConfig
from dit.model import PLACE_FEATURES, DiT, place_features
from dit.packing import (
    make_layout,
    patchify,
    real_share,
    split_pack,
    token_count,
    unpatchify,
)
from dit.rope import rope_turns, rotate
from dit.segments import segments
from tests.helpers.awake_dit import awake_dit

SMALL = DiTConfig(width=48, depth=2, heads=2, refiner_depth=1, latent_channels=4, text_dim=16)
VARIANTS = {
    "full": SMALL,
    "factorised": replace(SMALL, attention="factorised"),
    "gated": replace(SMALL, head_gate=True),
    "both": replace(SMALL, attention="factorised", head_gate=True),
}
SHAPES = [(3, 4, 6), (1, 8, 8), (3, 5, 7), (2, 4, 4), (3, 4, 6)]
LENGTHS = [7, 0, 12, 3, 9]


def test_each_axis_says_its_own_place_and_size():
    """Exchanged, wide and tall clips would be told apart wrongly, and only at sizes that no test set has."""
    layout = make_layout(
        [(2, 6, 10), (1, 6, 6)], [None, None], patch=(1, 2, 2), text_dim=16, fps=[24.0, 4.0]
    )
    rates = layout.fps[layout.clip]
    found = place_features(layout.coords, layout.grids[layout.clip], rates)
    assert found.shape == (2 * 3 * 5 + 9, PLACE_FEATURES)

    torch.testing.assert_close(found[:, 0], torch.log2(rates / 8))
    width = (PLACE_FEATURES - 1) // 3
    for axis, parts in enumerate(found[:, 1:].split(width, dim=1)):
        sides = torch.tensor([(2, 3, 5)[axis]] * 30 + [(1, 3, 3)[axis]] * 9)
        places = layout.coords[:, axis]
        half = (width - 2) // 2
        waves = (
            (places + 0.5)[:, None] / sides[:, None] * torch.pi * 2 ** torch.linspace(0, 3, half)
        )
        torch.testing.assert_close(parts[:, :half], waves.sin(), atol=1e-4, rtol=0)
        torch.testing.assert_close(parts[:, half : 2 * half], waves.cos(), atol=1e-4, rtol=0)
        torch.testing.assert_close(parts[:, -2], places / 8)
        torch.testing.assert_close(parts[:, -1], torch.log2(sides.float()) / 4)


def awake(config: DiTConfig = SMALL, seed: int = 0) -> DiT:
    """A model of the variant, with open gates."""
    return awake_dit(config, seed=seed)


def pack(config: DiTConfig = SMALL, shapes=SHAPES, lengths=LENGTHS):
    torch.manual_seed(1)
    texts = [torch.randn(n, config.text_dim) if n else None for n in lengths]
    layout = make_layout(shapes, texts, patch=config.patch, text_dim=config.text_dim)
    latents = [torch.randn(config.latent_channels, *shape) for shape in shapes]
    tokens = torch.cat([patchify(z, config.patch) for z in latents])
    t = torch.rand(len(shapes))
    return latents, texts, tokens, t, layout


@pytest.mark.parametrize("shape", [(1, 2, 2), (5, 8, 8), (3, 5, 7), (1, 1, 1), (4, 3, 9)])
@pytest.mark.parametrize("patch", [(1, 2, 2), (2, 2, 2), (1, 1, 1)])
def test_patchify_round_trip(shape, patch):
    z = torch.randn(3, *shape)
    tokens = patchify(z, patch)
    assert tokens.shape == (token_count(shape, patch), 3 * patch[0] * patch[1] * patch[2])
    assert torch.equal(unpatchify(tokens, shape, patch), z)
    real = real_share(shape, patch)
    full = all(a % b == 0 for a, b in zip(shape, patch, strict=True))
    assert (real is None) == full
    if real is not None:
        assert int(real.sum()) == shape[0] * shape[1] * shape[2]


@pytest.mark.parametrize(
    ("queries", "keys"),
    [
        ([5, 9, 5, 3], [5, 9, 5, 3]),
        ([8] * 6, [3, 4, 5, 11, 30, 4]),
        ([40, 41, 44, 80], [1, 2, 1, 7]),
        ([16, 16, 16], [4, 4, 4]),
        ([700, 3], [600, 600]),
    ],
)
def test_attend_equals_loop(queries, keys):
    torch.manual_seed(0)
    cu_q, cu_k = segments(queries), segments(keys)
    made = [torch.randn(n, 2, 8, requires_grad=True) for n in (sum(queries), sum(keys), sum(keys))]
    weight = torch.randn(sum(queries), 2, 8)
    results = []
    for function in (attend, attend_loop):
        out = function(*made, cu_q, cu_k)
        grads = torch.autograd.grad((out * weight).sum(), made)
        results.append((out, *grads))
    for ours, reference in zip(*results, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-5, rtol=1e-5)


def test_attend_without_keys_is_refused():
    q, k = torch.randn(4, 1, 8), torch.randn(2, 1, 8)
    with pytest.raises(ValueError, match="no keys"):
        attend(q, k, k, segments([2, 2]), segments([2, 0]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_pack_equals_one_by_one_in_outputs_and_gradients(variant):
    model = awake(VARIANTS[variant])
    latents, texts, tokens, t, layout = pack()
    given = layout.coords[:, 0] == 1
    out = model(tokens, t[layout.clip], layout, given)
    packed = split_pack(out, layout, SMALL.patch)
    weights = [torch.randn_like(z) for z in latents]
    sum((a * b).sum() for a, b in zip(packed, weights, strict=True)).backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    for i, latent in enumerate(latents):
        alone = make_layout([SHAPES[i]], [texts[i]], patch=SMALL.patch, text_dim=SMALL.text_dim)
        level, mask = t[i].expand(len(alone.coords)), alone.coords[:, 0] == 1
        single = model(patchify(latent, SMALL.patch), level, alone, mask)
        (mine,) = split_pack(single, alone, SMALL.patch)
        torch.testing.assert_close(mine, packed[i], atol=1e-5, rtol=1e-5)
        (mine * weights[i]).sum().backward()
    for name, p in model.named_parameters():
        scale = grads[name].abs().max().clamp(min=1)
        # A gate's bias sums terms of both signs over all tokens; the order of the sum shows in the sixth digit.
        bound = 3e-5 if name.endswith("gate.bias") else 1e-5
        assert float((p.grad - grads[name]).abs().max() / scale) <= bound, name


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_changing_one_clip_leaves_the_others_bitwise_equal(dtype, variant):
    model = awake(VARIANTS[variant]).set_compute(dtype)
    _, _, tokens, t, layout = pack()
    before = split_pack(model(tokens, t[layout.clip], layout), layout, SMALL.patch)
    ends, text_ends = layout.segments.ends, layout.captions.ends
    changed, level = tokens.clone(), t.clone()
    changed[ends[2] : ends[3]] = torch.randn_like(changed[ends[2] : ends[3]]) * 5
    layout.text[text_ends[2] : text_ends[3]] += 3
    level[2] = 0.123
    after = split_pack(model(changed, level[layout.clip], layout), layout, SMALL.patch)
    for i in range(len(SHAPES)):
        assert torch.equal(before[i], after[i]) == (i != 2)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_block_starts_as_the_identity_and_the_model_at_zero(variant):
    torch.manual_seed(0)
    model = DiT(VARIANTS[variant])
    _, _, tokens, t, layout = pack()
    assert not model(tokens, t[layout.clip], layout).any()
    seen = []
    for block in model.blocks:
        block.register_forward_hook(lambda _m, args, out: seen.append(torch.equal(args[0], out)))
    model(tokens, t[layout.clip], layout)
    assert seen == [True] * SMALL.depth


def test_rope_keeps_norms_and_sees_only_differences():
    torch.manual_seed(0)
    q, k = torch.randn(6, 2, 24), torch.randn(6, 2, 24)
    coords = torch.randint(0, 9, (6, 3))
    shift = torch.tensor([3, 5, 2])
    near, far = rope_turns(coords, 24, 100.0), rope_turns(coords + shift, 24, 100.0)
    torch.testing.assert_close(rotate(q, near).norm(dim=-1), q.norm(dim=-1))
    scores = [
        torch.einsum("ihd,jhd->hij", rotate(q, turns), rotate(k, turns)) for turns in (near, far)
    ]
    torch.testing.assert_close(scores[0], scores[1], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(rotate(q, near), rotate(q, far))


def test_a_caption_matters_and_a_dropped_one_is_the_null_caption():
    model = awake()
    latents, texts, tokens, t, _ = pack(shapes=[(2, 4, 4)], lengths=[6])
    outs = []
    for text in (texts[0], texts[0] * 2 + 1, None, torch.zeros(0, SMALL.text_dim)):
        layout = make_layout([(2, 4, 4)], [text], patch=SMALL.patch, text_dim=SMALL.text_dim)
        outs.append(model(tokens, t[layout.clip], layout))
    assert not torch.allclose(outs[0], outs[1])
    assert not torch.allclose(outs[0], outs[2])
    assert torch.equal(outs[2], outs[3])


@pytest.mark.parametrize("length", [0, 1, 40])
def test_a_clip_does_not_notice_how_long_the_captions_of_others_are(length):
    """Nothing is padded to a common length: neither tokens nor the null caption hang on the longest of the pack."""
    model = awake()
    texts = [torch.randn(n, SMALL.text_dim) if n else None for n in (5, length, 0)]
    shapes = [(2, 4, 4)] * 3
    alone = make_layout(shapes[:1], texts[:1], patch=SMALL.patch, text_dim=SMALL.text_dim)
    packed = make_layout(shapes, texts, patch=SMALL.patch, text_dim=SMALL.text_dim)
    tokens, t = torch.randn(len(packed.coords), SMALL.token_dim), torch.rand(3)
    n = len(alone.coords)
    single = model(tokens[:n], t[alone.clip], alone)
    torch.testing.assert_close(
        model(tokens, t[packed.clip], packed)[:n], single, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("variant", ["full", "both"])
def test_gradient_checkpointing_changes_nothing(variant):
    model = awake(VARIANTS[variant])
    _, _, tokens, t, layout = pack()
    grads = []
    for flag in (False, True):
        model.checkpoint_blocks = flag
        model.zero_grad()
        model(tokens, t[layout.clip], layout).square().sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in model.blocks.parameters()]))
    assert torch.equal(*grads)


def test_presets_and_refusals():
    tiny = DiT(DiTConfig.preset("tiny"))
    assert 2 * tiny.n_parameters() < 8 << 20
    for name in PRESETS:
        assert DiTConfig.from_dict(DiTConfig.preset(name).to_dict()) == DiTConfig.preset(name)
    with pytest.raises(ValueError, match="use one of tiny, S, B, L, XL"):
        DiTConfig.preset("huge")
    with pytest.raises(ValueError, match="text encoder"):
        make_layout([(1, 2, 2)], [torch.zeros(3, 5)], patch=(1, 2, 2), text_dim=16)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("variant", ["full", "both"])
def test_compiled_blocks_compute_the_same(variant):
    model = awake(VARIANTS[variant])
    _, _, tokens, t, layout = pack()
    results = []
    for _ in range(2):
        model.zero_grad()
        out = model(tokens, t[layout.clip], layout)
        out.square().sum().backward()
        grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        results.append((out.detach(), torch.cat(grads)))
        model.compile_blocks()
    for plain, compiled in zip(*results, strict=True):
        assert (plain - compiled).norm() <= 1e-5 * plain.norm()
