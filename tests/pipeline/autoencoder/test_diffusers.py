"""VAEs of diffusers: the same numbers as its own calls, factors and statistics by its settings, bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.openclip.torchvision_compat import prepare_torchvision

prepare_torchvision()
pytest.importorskip("diffusers")

from pipeline.autoencoder.diffusers import (  # noqa: E402
    KINDS,
    DiffusersVae,
    load_diffusers_vae,
)
from pipeline.autoencoder.names import absolute_name, is_foreign, vae_path  # noqa: E402
from tests.helpers.tiny_autoencoders import make_tiny, write_tiny  # noqa: E402

NUMBERS = {
    "AutoencoderKLWan": (4, 8, (0.1, -0.2, 0.3, 0.0), (2.0, 1.5, 0.5, 1.0)),
    "AutoencoderKLCogVideoX": (4, 8, (0.0,) * 4, (1 / 0.7,) * 4),
    "AutoencoderKLLTX2Video": (8, 32, (0.25,) * 8, (2.0,) * 8),
    "AutoencoderKLHunyuanVideo15": (4, 16, (0.0,) * 4, (1 / 1.03682,) * 4),
}
"""Time and space factor, mean and deviation that the settings of the tiny models say."""


@pytest.fixture(scope="module", params=list(KINDS))
def vae(request: pytest.FixtureRequest) -> DiffusersVae:
    model = make_tiny(request.param)
    if request.param == "AutoencoderKLLTX2Video":
        model.latents_mean.fill_(0.25)
        model.latents_std.fill_(2.0)
    return DiffusersVae(model)


def videos(vae: DiffusersVae, batch: int = 1, groups: int = 1) -> np.ndarray:
    side = 2 * vae.space_factor
    shape = (batch, 1 + groups * vae.frame_step, side, side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_latents_and_frames_are_those_of_diffusers(vae: DiffusersVae) -> None:
    pixels = videos(vae, batch=2)
    mean, logvar = vae.encode(pixels)
    frames = torch.from_numpy(pixels).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    with torch.no_grad():
        own = [vae.model.encode(each[None]).latent_dist for each in frames]
        assert torch.equal(mean, torch.cat([each.mean for each in own]))
        assert torch.equal(logvar, torch.cat([each.logvar for each in own]).expand_as(mean))
        decoded = vae.model.decode(mean[:1]).sample[0].permute(1, 2, 3, 0)
    back = vae.decode(mean[0])
    assert back.shape == pixels.shape[1:]
    assert np.array_equal(back, ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().numpy())


def test_factors_and_statistics_follow_the_settings(vae: DiffusersVae) -> None:
    time, space, mean, std = NUMBERS[type(vae.model).__name__]
    assert (vae.time_factor, vae.space_factor) == (time, space)
    assert vae.channel_mean == pytest.approx(mean) and vae.channel_std == pytest.approx(std)
    pixels = videos(vae)
    found = vae.encode(pixels)[0]
    assert tuple(found.shape[1:]) == vae.latent_shape(*pixels.shape[1:4])


def test_sizes_that_do_not_fit_are_refused(vae: DiffusersVae) -> None:
    side = 2 * vae.space_factor
    with pytest.raises(ValueError, match=f"give 1 \\+ a multiple of {vae.frame_step}"):
        vae.latent_shape(vae.frame_step, side, side)
    with pytest.raises(ValueError, match=f"multiples of {vae.space_factor}"):
        vae.latent_shape(1, side + 1, side)
    with pytest.raises(ValueError, match="uint8"):
        vae.encode(videos(vae).astype(np.float32))


@pytest.mark.parametrize(("name", "most"), [("AutoencoderKLWan", 4), ("AutoencoderKLCogVideoX", 9)])
def test_a_long_video_goes_through_a_few_frames_at_a_time(name: str, most: int) -> None:
    vae = DiffusersVae(make_tiny(name))
    seen: list[int] = []

    def note(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(args[0].shape[2])

    vae.model.encoder.register_forward_pre_hook(note, with_kwargs=True)
    vae.encode(videos(vae, groups=4))
    assert len(seen) > 2 and max(seen) <= most


VARIANTS: dict[str, dict[str, Any]] = {
    "hunyuan": {},
    "ltx causal": {},
    "ltx, the decoder sees the frame after": {"decoder_causal": False},
    "ltx, not causal at all": {
        "encoder_causal": False,
        "decoder_causal": False,
        "upsample_residual": (False, True, False),
        "decoder_layers_per_block": (2, 1, 2, 1),
    },
}


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_pieces_of_a_video_give_what_the_whole_gives(variant: str) -> None:
    name = "AutoencoderKLHunyuanVideo15" if variant == "hunyuan" else "AutoencoderKLLTX2Video"
    vae = DiffusersVae(make_tiny(name, **VARIANTS[variant]))
    assert vae.in_pieces
    pixels = videos(vae, groups=4)
    frames = torch.from_numpy(pixels).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    mean, logvar = vae.encode(pixels)
    with torch.inference_mode():
        own = vae.model.encode(frames).latent_dist
        torch.testing.assert_close(mean, own.mean, rtol=0, atol=1e-5)
        torch.testing.assert_close(logvar, own.logvar.expand_as(mean), rtol=0, atol=1e-5)
        latent = 3 * mean[0]  # so that the frames differ
        whole = vae.model.decode(latent[None]).sample
        pieces = torch.cat(list(vae._decode_pieces(latent)), 2)
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-4)
    assert (whole[:, :, 1:] - whole[:, :, :-1]).abs().mean() > 0.1


@pytest.mark.parametrize("name", ["AutoencoderKLHunyuanVideo15", "AutoencoderKLLTX2Video"])
def test_no_layer_sees_more_frames_of_a_longer_video(name: str) -> None:
    vae = DiffusersVae(make_tiny(name))

    def widest(groups: int) -> dict[str, int]:
        most = {"encoder": 0, "decoder": 0}
        hooks = []
        for part in most:
            for layer in getattr(vae.model, part).modules():
                if isinstance(layer, torch.nn.Conv3d):

                    def note(_: Any, args: tuple[Any, ...], part: str = part) -> None:
                        most[part] = max(most[part], args[0].shape[2])

                    hooks.append(layer.register_forward_pre_hook(note))
        vae.decode(vae.encode(videos(vae, groups=groups))[0][0])
        for hook in hooks:
            hook.remove()
        return most

    assert widest(3) == widest(5)


@pytest.mark.parametrize("name", ["AutoencoderKLHunyuanVideo15", "AutoencoderKLLTX2Video"])
def test_what_layers_keep_is_as_large_after_more_pieces(name: str) -> None:
    """All but the keys and values of attention, which are a few bytes for each latent cell."""
    vae = DiffusersVae(make_tiny(name, **({} if "Hunyuan" in name else {"decoder_causal": False})))
    passes = KINDS[name].passes
    assert passes is not None
    decode: Any = passes[1](vae.model)
    side, kept = 2, []
    rounds = 5 if "Hunyuan" in name else 20  # those of LTX-2 wait for frames to come
    with torch.inference_mode():
        for _ in range(rounds):
            decode(torch.randn(1, vae.channels, 2, side, side), last=False)
            waiting = [x for pair in decode.waiting.values() for x in pair if x is not None]
            kept.append(sum(x.nbytes for x in [*decode.tails.values(), *waiting]))
    assert kept[-1] == kept[-2] == kept[-3] > 0
    for room in getattr(decode, "seen", {}).values():
        frames, width = 2 * rounds, room[0].shape[-1]
        assert sum(x.nbytes for x in room) <= 16 * frames * side * side * width


def test_an_ltx_decoder_with_noise_of_its_own_takes_a_video_whole() -> None:
    noisy = DiffusersVae(make_tiny("AutoencoderKLLTX2Video", decoder_inject_noise=(True,) * 4))
    assert not noisy.in_pieces
    pixels = videos(noisy, groups=3)
    assert noisy.decode(noisy.encode(pixels)[0][0]).shape == pixels.shape[1:]


def test_the_identity_is_of_the_encoder_and_the_statistics() -> None:
    first = make_tiny("AutoencoderKLWan")
    same, other = DiffusersVae(first).id, make_tiny("AutoencoderKLWan")
    with torch.no_grad():
        other.decoder.conv_out.weight.add_(1.0)
    assert DiffusersVae(other).id == same, "a decoder trained further reads the same latents"
    with torch.no_grad():
        other.encoder.conv_in.weight.add_(1.0)
    assert DiffusersVae(other).id != same


def test_folders_of_vaes_and_of_pipelines_load_and_others_are_refused(tmp_path: Path) -> None:
    write_tiny(tmp_path / "pipeline" / "vae", "AutoencoderKLWan")
    whole = load_diffusers_vae(str(tmp_path / "pipeline"))
    assert whole.id == load_diffusers_vae(str(tmp_path / "pipeline" / "vae")).id
    with pytest.raises(ValueError, match="does not load: .*; give a folder"):
        load_diffusers_vae(str(tmp_path))
    from diffusers import AutoencoderKL

    AutoencoderKL(block_out_channels=(8,), norm_num_groups=2).save_pretrained(tmp_path / "image")
    with pytest.raises(ValueError, match=r"of class AutoencoderKL; known are AutoencoderKLWan"):
        load_diffusers_vae(str(tmp_path / "image"))


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wan").mkdir()
    assert is_foreign("diffusers:wan") and not is_foreign("wan")
    assert absolute_name("diffusers:wan") == f"diffusers:{tmp_path / 'wan'}"
    assert absolute_name("wan") == str(tmp_path / "wan") and absolute_name("embedded") == "embedded"
    assert absolute_name("diffusers:Wan-AI/Wan") == "diffusers:Wan-AI/Wan"
    assert vae_path("diffusers:~/wan").is_absolute()
