"""ai-toolkit: a JSON of captions for each count of frames, and the ``datasets`` part of its YAML.

Its default spreads ``num_frames`` over the whole clip, which speeds long clips up. A dataset for each count makes that
the identity: a clip of 33 frames is asked for 33.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.export.target import Clip, Export, File, Target, to_json, to_yaml


def files(export: Export) -> Iterator[File]:
    """A JSON of captions for each count of frames (one for all without a model), and the YAML that names them."""
    parts = {"all": list(export.clips)}
    if export.profile is not None:
        parts = {str(n): [c for c in export.clips if c.n_frames == n] for n in export.frames}
    datasets = []
    for name, clips in parts.items():
        table = f"captions_{name}.json"
        yield table, to_json({export.path(clip): entry(clip) for clip in clips})
        sides = sorted({round((clip.bucket[0] * clip.bucket[1]) ** 0.5) for clip in clips})
        datasets.append(
            {
                "dataset_path": f"{export.root}/{table}",
                "resolution": sides,
                "fps": round(export.fps),
                "do_audio": export.audio,
                **(
                    {"auto_frame_count": True}
                    if export.profile is None
                    else {"num_frames": clips[0].n_frames, "shrink_video_to_frames": True}
                ),
            }
        )
    yield "datasets.yaml", to_yaml({"datasets": datasets})


def entry(clip: Clip) -> dict[str, str]:
    """The caption, and a second one where there is one."""
    found = {"caption": clip.caption}
    return found | ({"caption_short": clip.captions[1]} if len(clip.captions) > 1 else {})


TARGET = Target(
    name="ai-toolkit",
    reads="ostris/ai-toolkit toolkit/data_loader.py",
    many_captions=True,
    audio=True,
    images=False,
    files=files,
)
