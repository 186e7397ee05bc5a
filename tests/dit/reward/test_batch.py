"""Packs of drawn videos: noised as in training, without captions, with frames given."""

import torch

from dit.packing import patchify
from dit.reward.batch import anchor_pack, anchor_picks, noise_pack, packs_of, without_captions
from dit.reward.config import RewardConfig
from tests.helpers.pixel_models import WIDTH, pixel_dit

MODEL, CONFIG = pixel_dit().model.config, RewardConfig()


def latents():
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(3, t, h, 4, generator=generator) for t, h in ((2, 4), (2, 4), (1, 3))]


def texts():
    return [torch.ones(n, WIDTH) for n in (2, 5, 3)]


def test_noised_videos_and_their_targets_lead_back_to_the_data():
    good = torch.tensor([0.2, 0.9, 0.5])
    pack = noise_pack(latents(), texts(), good, MODEL, CONFIG, torch.Generator().manual_seed(0))
    data = torch.cat([patchify(z, MODEL.patch) for z in latents()])
    assert torch.allclose(pack.x_t - pack.t[:, None] * pack.target, data, atol=1e-5)
    assert len(pack.t.unique()) == 3 and not pack.given.any()
    assert torch.equal(pack.good[:, 0], good[pack.layout.clip])
    assert pack.real is not None and not pack.real[-1].all()  # three rows pad to four
    again = noise_pack(latents(), texts(), good, MODEL, CONFIG, torch.Generator().manual_seed(0))
    assert torch.equal(pack.x_t, again.x_t)


def test_without_captions_is_the_same_noise():
    config = RewardConfig(fps=24.0)
    pack = noise_pack(latents(), texts(), torch.ones(3), MODEL, config, torch.Generator())
    bare = without_captions(pack, MODEL)
    assert bare.x_t is pack.x_t and len(bare.layout.text) == 0
    assert bare.layout.shapes == pack.layout.shapes
    assert bare.layout.fps.tolist() == pack.layout.fps.tolist() == [24.0] * 3


def test_an_anchor_has_no_caption_or_frames_given():
    generator = torch.Generator().manual_seed(0)
    bare = given = 0
    for _ in range(20):
        pack = anchor_pack(latents(), texts(), MODEL, CONFIG, generator)
        counts = pack.layout.text_rows
        for i in range(3):
            mine = pack.layout.clip == i
            captioned = i not in pack.layout.clip.new_tensor(
                [int(counts.owner[row]) for row in counts.null]
            )
            assert captioned == bool(pack.given[mine].any())
            assert not pack.given[mine].all()
            bare, given = bare + (not captioned), given + captioned
            assert not (i == 2 and captioned)  # an image has no frame to give
        data = torch.cat([patchify(z, MODEL.patch) for z in latents()])
        assert torch.equal(pack.x_t[pack.given], data[pack.given])
        assert not pack.t[pack.given].any()
    assert bare > 10 and given > 10


def test_picks_are_a_share_and_packs_keep_the_budget():
    generator = torch.Generator().manual_seed(0)
    assert len(list(anchor_picks(64, 0.125, generator))) == 8
    assert len(list(anchor_picks(3, 0.01, generator))) == 1
    assert list(anchor_picks(64, 0.0, generator)) == []
    many = [torch.zeros(3, 2, 4, 4) for _ in range(9)]  # 8 tokens each
    packs = packs_of(many, [0, 2, 4, 6, 8], 16, MODEL.patch)
    assert sorted(i for pack in packs for i in pack) == [0, 2, 4, 6, 8]
    assert max(map(len, packs)) == 2
