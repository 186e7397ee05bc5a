"""Names and shapes of a VAE's weights from its config alone: what does not fit is refused without torch.

The table stands beside the modules of ``vae.model`` and ``vae.conv``; a test holds it to them.
"""

from __future__ import annotations

from vae.config import VAEConfig

STRIDE_KERNEL, SPREAD_KERNEL = 3, 2
"""Frames that the convolutions over time see where a stage makes fewer frames, and where one makes more."""

Shape = tuple[int, ...]


def weight_shapes(config: VAEConfig) -> dict[str, Shape]:
    """Name -> shape of every weight and statistic of a ``VideoVAE`` of this config."""
    found = {f"encoder.{name}": shape for name, shape in _encoder(config).items()}
    found |= {f"decoder.{name}": shape for name, shape in _decoder(config).items()}
    latent = (config.latent_channels,)
    return found | {"latent_mean": latent, "latent_std": latent}


def linear(name: str, wide_in: int, wide_out: int) -> dict[str, Shape]:
    """A layer with a bias."""
    return {f"{name}.weight": (wide_out, wide_in), f"{name}.bias": (wide_out,)}


def space_conv(name: str, channels_in: int, channels_out: int) -> dict[str, Shape]:
    """A 3x3 convolution with a bias."""
    shape = (channels_out, channels_in, 3, 3)
    return {f"{name}.conv.weight": shape, f"{name}.conv.bias": (channels_out,)}


def time_conv(name: str, channels_in: int, channels_out: int, kernel: int) -> dict[str, Shape]:
    """A causal convolution over time, which is a layer over the frames side by side."""
    return linear(f"{name}.mix", kernel * channels_in, channels_out)


def block(name: str, channels: int, kernel: int) -> dict[str, Shape]:
    """A residual block."""
    found: dict[str, Shape] = {
        f"{name}.{each}.weight": (channels,) for each in ("norm_space", "norm_time")
    }
    found |= space_conv(f"{name}.space", channels, channels)
    return found | time_conv(f"{name}.time", channels, channels, kernel)


def _values(config: VAEConfig) -> int:
    frames, pixels = config.patch
    return 3 * frames * pixels * pixels


def _whole_patch(config: VAEConfig) -> int:
    return 3 * config.time_factor * config.space_factor**2


def _encoder(config: VAEConfig) -> dict[str, Shape]:
    found = linear("stem", _values(config), config.widths[0])
    number = 0
    for i, width in enumerate(config.widths):
        if i:
            time, space = config.strides[i - 1]
            at = f"layers.{number}"
            found |= linear(f"{at}.project", space * space * config.widths[i - 1], width)
            if time > 1:
                found |= time_conv(f"{at}.time", width, width, STRIDE_KERNEL)
            number += 1
        for _ in range(config.encoder_blocks[i]):
            found |= block(f"layers.{number}", width, config.time_kernel)
            number += 1
    found["norm.weight"] = (config.widths[-1],)
    found |= linear("head", config.widths[-1], 2 * config.latent_channels)
    if config.linear_path:
        found |= linear("linear.project", _whole_patch(config), config.latent_channels)
    return found


def _decoder(config: VAEConfig) -> dict[str, Shape]:
    widths = (config.decoder_widths or config.widths)[::-1]
    found = time_conv("stem", config.latent_channels, widths[0], config.time_kernel)
    number = 0
    for i, width in enumerate(widths):
        if i:
            time, space = config.strides[len(widths) - 1 - i]
            at, before = f"layers.{number}", widths[i - 1]
            if time > 1:
                found |= time_conv(f"{at}.time", before, time * before, SPREAD_KERNEL)
            found |= linear(f"{at}.project", before, space * space * width)
            number += 1
        for _ in range(config.decoder_blocks[len(widths) - 1 - i]):
            found |= block(f"layers.{number}", width, config.time_kernel)
            number += 1
    frames, pixels = config.patch
    hidden = max(widths[-1], _values(config))
    found["norm.weight"] = (widths[-1],)
    small = frames * pixels < 8
    found |= (space_conv if small else linear)("widen", widths[-1], hidden)
    found |= linear("head", hidden, _values(config))
    if config.linear_path:
        found |= linear("linear.project", config.latent_channels, _whole_patch(config))
    return found
