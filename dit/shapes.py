"""Names and shapes of a transformer's weights from its config alone: what does not fit is refused without torch.

The table stands beside the modules of ``dit.model`` and ``dit.text``; a test holds it to them in every variant.
"""

from __future__ import annotations

from collections.abc import Iterator

from dit.config import DiTConfig

TIME_FEATURES = 128
"""Numbers that a noise level is shown as."""
PLACE_BANDS = 4
"""Frequencies at which a token's place along an axis is shown."""
PLACE_FEATURES = 3 * (2 * PLACE_BANDS + 2) + 1
"""Numbers that a token's place, the size of its clip and the frame rate are shown as."""
REFINER_MLP = 2
"""Hidden width over width of the MLPs of the text refiner."""

Shape = tuple[int, ...]


def weight_shapes(config: DiTConfig) -> dict[str, Shape]:
    """Name -> shape of every weight of a ``DiT`` of this config."""
    width = config.width
    found = dict(_text(config))
    found |= linear("inp", config.token_dim, width) | linear("place", PLACE_FEATURES, width)
    found |= linear("time.0", TIME_FEATURES, width) | linear("time.2", width, width)
    found |= linear("modulation", width, 6 * width)
    found |= linear("last_modulation", width, 2 * width) | linear("last", width, config.token_dim)
    found["given"] = (width,)
    if config.references:
        found["reference"] = (width,)
    block = _block(config)
    for number in range(config.depth):
        found |= {f"blocks.{number}.{name}": shape for name, shape in block.items()}
    return found


def linear(name: str, wide_in: int, wide_out: int) -> dict[str, Shape]:
    """A layer with a bias."""
    return {f"{name}.weight": (wide_out, wide_in), f"{name}.bias": (wide_out,)}


def norm(name: str, width: int) -> dict[str, Shape]:
    """A layer norm."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def mlp(name: str, width: int, ratio: int) -> dict[str, Shape]:
    """Two layers."""
    return linear(f"{name}.up", width, ratio * width) | linear(f"{name}.down", ratio * width, width)


def attention(
    name: str, config: DiTConfig, *, cross: bool = False, gated: bool = False
) -> dict[str, Shape]:
    """Attention of ``dit.layers``."""
    width = config.width
    found = {f"{name}.scale": (2, 1, config.head_dim)} | linear(f"{name}.out", width, width)
    if cross:
        found |= linear(f"{name}.q", width, width) | linear(f"{name}.kv", width, 2 * width)
    else:
        found |= linear(f"{name}.qkv", width, 3 * width)
    if gated:
        found |= linear(f"{name}.gate", width, config.heads)
    return found


def _block(config: DiTConfig) -> dict[str, Shape]:
    width = config.width
    found = attention("attention", config, gated=config.head_gate)
    if config.attention == "factorised":
        found |= attention("along_time", config, gated=config.head_gate)
        found |= norm("time_norm", width) | {"time_gate": (width,)}
    found |= attention("cross", config, cross=True) | mlp("mlp", width, config.mlp_ratio)
    return found | norm("cross_norm", width) | {"bias": (6, width), "cross_gate": (width,)}


def _text(config: DiTConfig) -> Iterator[tuple[str, Shape]]:
    width = config.width
    found = linear("inp", config.text_dim, width) | norm("inp_norm", config.text_dim)
    found |= norm("norm", width) | linear("pool", 2 * width, width) | {"null": (1, width)}
    for number in range(config.refiner_depth):
        at = f"blocks.{number}"
        found |= norm(f"{at}.norm1", width) | norm(f"{at}.norm2", width)
        found |= attention(f"{at}.attention", config) | mlp(f"{at}.mlp", width, REFINER_MLP)
    for name, shape in found.items():
        yield f"text.{name}", shape
