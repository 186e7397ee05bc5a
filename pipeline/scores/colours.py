"""Name the main colours of a clip; a colour is named only where every viewer would agree.

Pixels are named by lightness, chroma and hue in CIELAB (D65). The regions leave gaps where people disagree, between
grey and a faint tint, beige and brown, green and cyan; a pixel in a gap has no name and counts for none.
"""

from __future__ import annotations

import numpy as np

PIXELS = 4096
"""Pixels of a frame that are looked at, evenly spread."""
LEAST_SHARE = 0.2
"""Share of the pixels from which a colour is a main one."""
LEAST_GREY = 0.4
"""The same for grey and dark grey, which is also what foam, walls and clouds are beside something darker."""
MOST = 3
"""Main colours that are named at most."""
GREYS = (
    ("black", 0, 13, 7.5),
    ("dark grey", 20, 40, 5.0),
    ("grey", 45, 68, 5.0),
    ("white", 91, 101, 7.5),
)
"""(name, lightness from, to, chroma below): L* in [0, 100], C* in its units. What is lighter than grey has no name: in
most pictures it is something white in the shade."""
HUES = (
    ("red", 14, 44, 25, 62, 55, 200),
    ("pink", 320, 385, 62, 95, 18, 200),
    ("orange", 48, 76, 55, 90, 50, 200),
    ("brown", 35, 85, 15, 46, 18, 55),
    ("beige", 60, 98, 72, 92, 10, 30),
    ("yellow", 84, 108, 70, 101, 45, 200),
    ("green", 112, 165, 12, 95, 16, 200),
    ("cyan", 188, 222, 60, 95, 18, 200),
    ("teal", 178, 222, 15, 52, 15, 200),
    ("blue", 240, 308, 8, 90, 16, 200),
    ("purple", 312, 340, 10, 55, 18, 200),
)
"""(name, hue from, to in degrees, lightness from, to, chroma from, to)."""
NAMES = (*(grey[0] for grey in GREYS), *(hue[0] for hue in HUES))
"""Every name there is."""

_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
)
_WHITE = np.array([0.9505, 1.0, 1.089], np.float32)


def main_colours(samples: np.ndarray) -> list[str]:
    """Names of the colours that cover the most of uint8 RGB samples (k, h, w, 3), the largest first; may be empty."""
    pixels = samples.reshape(len(samples), -1, 3)
    step = max(1, pixels.shape[1] // PIXELS)
    names = name_pixels(pixels[:, ::step].reshape(-1, 3))
    shares = np.bincount(names + 1, minlength=len(NAMES) + 1)[1:] / len(names)
    order = np.argsort(-shares, kind="stable")[:MOST]
    least = np.array([LEAST_GREY if "grey" in name else LEAST_SHARE for name in NAMES])
    return [NAMES[i] for i in order if shares[i] >= least[i]]


def name_pixels(rgb: np.ndarray) -> np.ndarray:
    """Index into ``NAMES`` of each uint8 RGB pixel (n, 3); -1 where no name is certain."""
    light, chroma, hue = lightness_chroma_hue(rgb)
    out = np.full(len(rgb), -1)
    for i, (_, low, high, most) in enumerate(GREYS):
        out[(chroma < most) & (light >= low) & (light < high)] = i
    for i, (_, start, end, low, high, least, most) in enumerate(HUES, len(GREYS)):
        turned = np.where(hue < end - 360, hue + 360, hue)
        found = (turned >= start) & (turned < end) & (light >= low) & (light < high)
        out[found & (chroma >= least) & (chroma < most)] = i
    return out


def lightness_chroma_hue(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CIELAB L* in [0, 100], C* and hue in degrees [0, 360) of uint8 sRGB (n, 3) under D65 (CIE 15, IEC 61966-2-1)."""
    share = rgb.astype(np.float32) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    a, b = 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])
    return 116 * f[:, 1] - 16, np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
