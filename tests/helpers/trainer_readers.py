"""Readers of what trainers read, by the contracts of their loaders: each gives file name -> (captions, frames)."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tomllib
from pathlib import Path

import av

from tests.helpers.json_lines import json_lines

Read = dict[str, tuple[list[str], int]]


def decoded(path: Path) -> int:
    """Frames of a file, decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def diffusion_pipe(root: Path) -> Read:
    """Flat folder, captions.json of lists; the longest frame bucket that a clip fills, none for a video is a loss."""
    settings = tomllib.loads((root / "dataset.toml").read_text())
    buckets = settings["frame_buckets"]
    assert len(settings["resolutions"][0]) == 2 and settings["enable_ar_bucket"] is True
    found = {}
    for directory in settings["directory"]:
        folder = Path(directory["path"])
        captions = json.loads((folder / "captions.json").read_text())
        for path in sorted(folder.glob("*.mp4")):
            assert isinstance(captions[path.name], list)
            frames = decoded(path)
            assert max(b for b in buckets if b <= frames) == frames > 1
            found[path.stem] = (captions[path.name], frames)
    return found


MUSUBI_GENERAL = {
    "caption_extension", "batch_size", "num_repeats", "enable_bucket", "bucket_no_upscale", "resolution",
}  # fmt: skip
MUSUBI_VIDEO = MUSUBI_GENERAL | {
    "video_directory", "video_jsonl_file", "control_directory", "cache_directory", "target_frames",
    "frame_extraction", "frame_stride", "frame_sample", "max_frames", "source_fps",
}  # fmt: skip


def musubi_tuner(root: Path) -> Read:
    """Known keys only; JSONL of video_path and caption; ``full`` takes 4n+1 frames up to max_frames."""
    settings = tomllib.loads((root / "dataset.toml").read_text())
    assert set(settings) == {"general", "datasets"} and set(settings["general"]) <= MUSUBI_GENERAL
    found, caches = {}, set()
    for part in settings["datasets"]:
        assert set(part) <= MUSUBI_VIDEO and part["frame_extraction"] == "full"
        caches.add(part["cache_directory"])
        for line in Path(part["video_jsonl_file"]).read_text().splitlines():
            row = json.loads(line)
            assert set(row) == {"video_path", "caption"}
            path = Path(row["video_path"])
            frames = decoded(path)
            assert frames <= part["max_frames"] and (frames - 1) % 4 == 0
            found[path.stem] = ([row["caption"]], frames)
    assert len(caches) == len(settings["datasets"])
    return found


def videofolder(root: Path) -> Read:
    """The loader of Hugging Face datasets itself."""
    import datasets

    rows = datasets.load_dataset(
        "videofolder", data_dir=str(root), split="train", cache_dir=str(root.parent / "cache")
    ).cast_column("video", datasets.Video(decode=False))
    assert {"caption", "captions", "fps"} <= set(rows.column_names)
    return {
        Path(row["video"]["path"]).stem: (
            list(row["captions"]),
            decoded(Path(row["video"]["path"])),
        )
        for row in rows
    }


def ai_toolkit(root: Path) -> Read:
    """A JSON of captions for each dataset; ``num_frames`` spread over a clip of as many is every frame."""
    import yaml

    found = {}
    for part in yaml.safe_load((root / "datasets.yaml").read_text())["datasets"]:
        assert part["shrink_video_to_frames"] is True and part["do_audio"] is True
        for name, entry in json.loads(Path(part["dataset_path"]).read_text()).items():
            frames = decoded(Path(name))
            assert frames == part["num_frames"]
            found[Path(name).stem] = ([entry["caption"]], frames)
    return found


def ltx_2(root: Path) -> Read:
    """JSONL relative to itself; of the buckets that a clip fills the nearest in aspect, then the longest."""
    command = (root / "preprocess.sh").read_text()
    text = re.search(r'--resolution-buckets "([^"]+)"', command)
    assert text and "--skip-audio" not in command
    buckets = [tuple(map(int, bucket.split("x"))) for bucket in text[1].split(";")]
    found = {}
    for row in json_lines(root / "dataset.jsonl"):
        path = root / row["video"]
        frames, width, height = shape(path)
        aspect = math.log(width / height)
        fitting = [b for b in buckets if b[2] <= frames]
        best = min(fitting, key=lambda b: (abs(aspect - math.log(b[0] / b[1])), -b[2]))  # noqa: B023
        assert best[2] == frames
        found[path.stem] = ([row["caption"]], frames)
    return found


def diffsynth_studio(root: Path) -> Read:
    """CSV of video and prompt below the base path; at most ``num_frames`` are read, 4n+1 of fewer."""
    options = dict(zip(*[iter((root / "options.txt").read_text().split())] * 2, strict=True))
    assert options["--data_file_keys"] == "video"
    found = {}
    for row in table(Path(options["--dataset_metadata_path"])):
        path = Path(options["--dataset_base_path"]) / row["video"]
        frames = decoded(path)
        assert frames <= int(options["--num_frames"]) and frames % 4 == 1
        found[path.stem] = ([row["prompt"]], frames)
    return found


def simpletuner(root: Path) -> Read:
    """A row for each file, with its count of frames within the limits."""
    video, text = json.loads((root / "multidatabackend.json").read_text())
    assert text["dataset_type"] == "text_embeds" and video["caption_strategy"] == "parquet"
    columns, limits = video["parquet"], video["video"]
    rows = {row[columns["filename_column"]]: row for row in json_lines(Path(columns["path"]))}
    found = {}
    for path in sorted(Path(video["instance_data_dir"]).glob("*.mp4")):
        row = rows[path.name]
        frames = decoded(path)
        assert row[columns["num_frames_column"]] == frames
        assert limits["min_frames"] <= frames <= limits["max_frames"]
        assert (row[columns["width_column"]], row[columns["height_column"]]) == shape(path)[1:]
        found[path.stem] = ([row[columns["caption_column"]]], frames)
    return found


def finetrainers(root: Path) -> Read:
    """What its VideoFolderDataset calls: the loader of datasets on a folder with metadata at its top."""
    import datasets

    (part,) = json.loads((root / "dataset.json").read_text())["datasets"]
    rows = datasets.load_dataset(
        "videofolder", data_dir=part["data_root"], split="train", cache_dir=str(root.parent / "c")
    ).cast_column("video", datasets.Video(decode=False))
    buckets = {tuple(bucket) for bucket in part["video_resolution_buckets"]}
    found = {}
    for row in rows:
        frames, width, height = shape(Path(row["video"]["path"]))
        assert (frames, height, width) in buckets
        found[Path(row["video"]["path"]).stem] = ([row["caption"]], frames)
    return found


def open_sora(root: Path) -> Read:
    """CSV; a bucket takes clips of 0.8 of its pixels and its count of frames, at no more than fps_max."""
    import runpy

    config = runpy.run_path(str(root / "dataset.py"))
    ((side, counts),) = config["bucket_config"].items()
    found = {}
    for row in table(Path(config["dataset"]["data_path"])):
        frames, width, height = shape(Path(row["path"]))
        assert (frames, height, width) == tuple(
            int(row[k]) for k in ("num_frames", "height", "width")
        )
        assert float(row["fps"]) <= config["dataset"]["fps_max"]
        assert width * height >= 0.8 * int(side.removesuffix("px")) ** 2 and frames in counts
        found[Path(row["path"]).stem] = ([row["text"]], frames)
    return found


def videox_fun(root: Path) -> Read:
    """A JSON list; stride 1 and as many frames as the longest clip has."""
    options = dict(w[2:].split("=") for w in (root / "options.txt").read_text().split() if "=" in w)
    assert options["video_sample_stride"] == "1"
    found = {}
    for row in json.loads(Path(options["train_data_meta"]).read_text()):
        path = Path(options["train_data_dir"]) / row["file_path"]
        assert row["type"] == "video" and (row["width"], row["height"]) == shape(path)[1:]
        found[path.stem] = (
            [row["text"]],
            min(decoded(path), int(options["video_sample_n_frames"])),
        )
    return found


def fastvideo(root: Path) -> Read:
    """A JSON list; frames are ceil(fps * duration), and must be there."""
    folder, listed = (root / "merge.txt").read_text().strip().split(",")
    found = {}
    for row in json.loads(Path(listed).read_text()):
        frames, width, height = shape(Path(folder) / row["path"])
        assert frames == row["num_frames"] == math.ceil(row["fps"] * row["duration"])
        assert row["resolution"] == {"width": width, "height": height}
        found[Path(row["path"]).stem] = (row["cap"], frames)
    return found


def cosmos_framework(root: Path) -> Read:
    """JSONL relative to itself; windows of 61 frames or more, 61 s at most."""
    found = {}
    for row in json_lines(root / "train/video_dataset_file.jsonl"):
        (window,) = row["t2w_windows"]
        frames, width, height = shape(root / "train" / row["vision_path"])
        assert (row["width"], row["height"]) == (width, height)
        assert window["end_frame"] + 1 == frames >= 61 and row["duration"] <= 61
        assert window["caption_json"]["temporal_caption"] == window["caption"]
        found[row["uuid"]] = ([window["caption"]], frames)
    return found


def pairs(root: Path) -> Read:
    """Each video with the text beside it."""
    return {
        path.stem: (path.with_suffix(".txt").read_text().splitlines(), decoded(path))
        for path in sorted((root / "videos").glob("*.mp4"))
    }


def onetrainer(root: Path) -> Read:
    """The folder of its concept; a line of a text file is a caption."""
    (concept,) = json.loads((root / "concepts.json").read_text())
    assert concept["text"]["prompt_source"] == "sample" and concept["enabled"]
    return pairs(Path(concept["path"]).parent)


folder = pairs


def webdataset(root: Path) -> Read:
    """The package itself."""
    import webdataset as wds

    index = json.loads((root / "index.json").read_text())["shardlist"]
    found: Read = {}
    for part in index:
        samples = list(wds.WebDataset(str(root / part["url"]), shardshuffle=False))
        assert len(samples) == part["nsamples"]
        for sample in samples:
            body = json.loads(sample["json"])
            assert sample["txt"].decode() == body["caption"]
            with av.open(io.BytesIO(sample["mp4"])) as container:
                frames = sum(1 for _ in container.decode(video=0))
            assert frames == body["num_frames"]
            found[sample["__key__"]] = (body["captions"], frames)
    return found


def lance(root: Path) -> Read:
    """The package itself, its blobs read lazily."""
    import lance as package

    rows = package.dataset(str(root / "clips.lance"))
    found = {}
    for i, row in enumerate(
        rows.to_table(columns=["id", "captions", "num_frames", "caption"]).to_pylist()
    ):
        with (
            rows.take_blobs("video_blob", indices=[i])[0] as blob,
            av.open(io.BytesIO(blob.read())) as c,
        ):
            assert sum(1 for _ in c.decode(video=0)) == row["num_frames"]
        found[row["id"]] = (row["captions"], row["num_frames"])
    return found


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def shape(path: Path) -> tuple[int, int, int]:
    """(frames, width, height), decoded."""
    with av.open(str(path)) as container:
        frames = [(frame.width, frame.height) for frame in container.decode(video=0)]
    return len(frames), *frames[0]
