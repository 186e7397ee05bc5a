"""What the embedded CLIP is trained on: frames of world scenes and of junk, with every text that is true of them.

A pool holds ``FRAMES`` frames of each scene, squashed to the model's square. Each item carries whole captions (one is
drawn per visit) and a row of truth over a bank of short prompts ("a red circle", "a plain grey background",
"a black screen"), so that zero-shot prompts are trained against exact truth and not only against captions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.world.captions import LIGHT_PHRASES, TEXTURE_PHRASES, caption, place
from pipeline.world.render import render
from pipeline.world.scene import BACKGROUNDS, COLOURS, SHAPES, SIZES, Scene, random_scene

IMAGE_SIZE = 64
FRAMES = 4
RENDER_SIZES = ((64, 64), (80, 48), (48, 80), (112, 64), (64, 96), (128, 72))
"""Width x height that scenes are rendered at before the squash to the model's square."""
JUNK_SHARE = 0.12
JUNK_PROMPTS: dict[str, tuple[str, ...]] = {
    "black": ("a black frame", "a black screen", "a blank screen"),
    "white": ("a white screen", "a blank screen"),
    "flat": ("a blank screen", "an empty background"),
    "noise": ("television static", "random noise"),
    "text": ("text covering the screen", "a frame full of text", "a title card with words"),
    "blur": ("a blurred picture", "a picture out of focus"),
}
BARS = ("a picture with black bars",)
NORMAL_PROMPTS = ("a photo", "a video of something", "a sharp picture", "a scene with shapes")
COUNTS = ("one object", "two objects", "three objects")


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Training items: frames, the captions of each, and the truth of every prompt of the bank."""

    frames: np.ndarray
    """uint8 (N, FRAMES, IMAGE_SIZE, IMAGE_SIZE, 3)."""
    texts: tuple[tuple[str, ...], ...]
    """Captions of each item that are true of it."""
    truth: np.ndarray
    """bool (N, len(bank))."""
    bank: tuple[str, ...]
    """Short prompts."""


def prompt_bank() -> tuple[str, ...]:
    """Every short prompt with a truth value, in a fixed order."""
    prompts = [f"{_a(c)} {c} {s}" for c in COLOURS for s in SHAPES]
    prompts += [f"{_a(s)} {s}" for s in SHAPES]
    prompts += [f"{_a(c)} {c} object" for c in COLOURS]
    prompts += [f"{_a(z)} {z} {s}" for z in SIZES for s in SHAPES]
    prompts += [_ground(t, b) for t in TEXTURE_PHRASES for b in BACKGROUNDS]
    prompts += [phrase.rstrip(".").lower() for phrase in LIGHT_PHRASES.values()]
    prompts += [*COUNTS, *NORMAL_PROMPTS, *BARS]
    prompts += [p for group in JUNK_PROMPTS.values() for p in group]
    return tuple(dict.fromkeys(prompts))


def true_prompts(scene: Scene) -> set[str]:
    """Prompts of the bank that hold for a clean picture of ``scene``."""
    true = {_ground(scene.texture, scene.background), COUNTS[len(scene.objects) - 1]}
    true |= {LIGHT_PHRASES[scene.light].rstrip(".").lower(), *NORMAL_PROMPTS}
    for o in scene.objects:
        true |= {
            f"{_a(o.colour)} {o.colour} {o.shape}",
            f"{_a(o.shape)} {o.shape}",
            f"{_a(o.colour)} {o.colour} object",
            f"{_a(o.size)} {o.size} {o.shape}",
        }
    return true


def scene_texts(scene: Scene) -> tuple[str, ...]:
    """Captions of ``scene``: dense and short, of the shot and of one frame, and free-form attribute lists."""
    main = scene.objects[0]
    look = f"{_a(main.size)} {main.size} {main.colour} {main.shape}"
    ground = _ground(scene.texture, scene.background)
    return (
        caption(scene, "dense"),
        caption(scene, "short"),
        caption(scene, "dense", still=True),
        caption(scene, "short", still=True),
        f"{look} {place(main)}, {ground}",
        " and ".join(f"{_a(o.colour)} {o.colour} {o.shape}" for o in scene.objects)
        + f" on {ground}",
    )


def build_pool(
    n: int,
    *,
    seed: int,
    split: str = "train",
    junk_share: float = JUNK_SHARE,
    note: Callable[[int], None] | None = None,
) -> Pool:
    """Render ``n`` items; item ``i`` depends on (seed, split, i) only. ``note(i)`` is called after each item."""
    bank = prompt_bank()
    index = {prompt: i for i, prompt in enumerate(bank)}
    frames = np.empty((n, FRAMES, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    truth = np.zeros((n, len(bank)), bool)
    texts: list[tuple[str, ...]] = []
    for i in range(n):
        rng = np.random.default_rng([seed, i, 0xC11F])
        scene = random_scene(seed * 1_000_003 + i, split=split)
        kind = str(rng.choice(list(JUNK_PROMPTS))) if rng.random() < junk_share else None
        clip, true, said = _item(scene, kind, rng)
        frames[i] = clip
        truth[i, [index[p] for p in true]] = True
        texts.append(said)
        if note is not None:
            note(i)
    return Pool(frames=frames, texts=tuple(texts), truth=truth, bank=bank)


def squash(frames: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) resized to the model's square as its open_clip transform does it."""
    from PIL import Image

    size = (IMAGE_SIZE, IMAGE_SIZE)
    if frames.shape[1:3] == size:
        return frames
    return np.stack(
        [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC)) for f in frames]
    )


def _item(
    scene: Scene, kind: str | None, rng: np.random.Generator
) -> tuple[np.ndarray, set[str], tuple[str, ...]]:
    width, height = RENDER_SIZES[int(rng.integers(len(RENDER_SIZES)))]
    clip = render(scene, width=width, height=height, fps=FRAMES / scene.duration_s, n_frames=FRAMES)
    if kind is not None:
        return squash(_junk(kind, clip, rng)), set(JUNK_PROMPTS[kind]), JUNK_PROMPTS[kind]
    true, texts = true_prompts(scene), scene_texts(scene)
    if rng.random() < 0.05:
        clip = _letterbox(clip, rng)
        true |= set(BARS)
        texts = tuple(f"{text.rstrip('.')}, {BARS[0]}" for text in texts)
    return squash(_degrade(clip, rng)), true, texts


def _junk(kind: str, clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if kind in ("black", "white", "flat"):
        level = {"black": rng.uniform(0, 14), "white": rng.uniform(238, 255)}.get(kind)
        colour = rng.uniform(30, 220, 3) if level is None else level
        grain = rng.normal(0, rng.uniform(0, 3), clip.shape)
        return np.clip(colour + grain, 0, 255).astype(np.uint8)
    if kind == "noise":
        grey = rng.integers(0, 256, (*clip.shape[:3], 1 if rng.random() < 0.5 else 3))
        return np.broadcast_to(grey, clip.shape).astype(np.uint8)
    if kind == "text":
        return _with_text(clip, rng)
    return _blur(clip, rng.uniform(0.055, 0.11) * min(clip.shape[1:3]))


def _with_text(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lines of random words across the whole frame, over the scene or over a flat ground."""
    from PIL import Image, ImageDraw, ImageFont

    t, height, width = clip.shape[:3]
    scale = 4
    rows = int(rng.integers(3, 11))
    font = ImageFont.load_default(size=scale * height / (rows * 1.25))
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    if rng.random() < 0.5:
        ground = np.full_like(clip, int(rng.choice([0, 20, 40, 128, 235, 255])))
    else:
        ground = clip
    ink = (255, 255, 255) if ground.mean() < 128 else (0, 0, 0)
    mask = Image.new("L", (scale * width, scale * height))
    draw = ImageDraw.Draw(mask)
    for row in range(rows):
        words = ["".join(rng.choice(letters, int(rng.integers(2, 9)))) for _ in range(14)]
        y = (row + 0.1) * scale * height / rows
        draw.text((rng.uniform(0, 0.12) * scale * width, y), " ".join(words), fill=255, font=font)
    cover = (
        np.asarray(mask.resize((width, height), Image.Resampling.BOX), np.float32)[..., None] / 255
    )
    mixed = ground + cover * (np.asarray(ink, np.float32) - ground)
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8).reshape(t, height, width, 3)


def _blur(clip: np.ndarray, sigma: float) -> np.ndarray:
    from PIL import Image, ImageFilter

    return np.stack(
        [np.asarray(Image.fromarray(f).filter(ImageFilter.GaussianBlur(sigma))) for f in clip]
    )


def _letterbox(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    bar = rng.uniform(0.08, 0.2)
    _, height, width = clip.shape[:3]
    upright = rng.random() < 0.75
    pad = round((height if upright else width) * bar)
    inner = (width, height - 2 * pad) if upright else (width - 2 * pad, height)
    out = np.zeros_like(clip)
    from PIL import Image

    for i, frame in enumerate(clip):
        small = np.asarray(Image.fromarray(frame).resize(inner, Image.Resampling.BICUBIC))
        x, y = (0, pad) if upright else (pad, 0)
        out[i, y : y + inner[1], x : x + inner[0]] = small
    return out


def _degrade(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of the clips as a codec leaves them: JPEG artefacts and a trace of softness."""
    if rng.random() < 0.5:
        return clip
    import io

    from PIL import Image

    if rng.random() < 0.3:
        clip = _blur(clip, rng.uniform(0.2, 0.6))
    quality = int(rng.integers(35, 95))
    out = []
    for frame in clip:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=quality)
        out.append(np.asarray(Image.open(buffer)))
    return np.stack(out)


def _a(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _ground(texture: str, background: str) -> str:
    """ "a plain grey background", "a grey background with dots"."""
    phrase = TEXTURE_PHRASES[texture].format(colour=f"{background} background")
    phrase = f"plain {background} background" if texture == "plain" else phrase
    return f"a {phrase}"


def tokenizer_corpus(pool: Pool) -> Sequence[str]:
    """Texts that the tokenizer is fitted on: every caption of the pool and the prompt bank."""
    return [text for texts in pool.texts for text in texts] + list(pool.bank) * 50
