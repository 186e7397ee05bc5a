"""Damaged files for the hostile run: the sound ones play, a seed gives the same damage, and damage is damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.mutants import BASES, FRAMES, MUTATIONS, write_bases, write_mutants, write_video
from pipeline.motion.analysis import analyse


def test_every_codec_plays_before_it_is_damaged(tmp_path: Path) -> None:
    made = write_bases(tmp_path)
    assert len(made) >= 6 and {path.name for path in made} <= BASES.keys()
    for path in made:
        *_, analysis = analyse(path)
        assert analysis is not None
        assert len(analysis.pts) in (FRAMES - 1, FRAMES), f"{path.name}: MPEG-PS may lose the last"


def test_a_seed_gives_the_same_files_and_each_differs_from_its_base(tmp_path: Path) -> None:
    base = write_video(tmp_path / "a.mp4")
    sound, names = base.read_bytes(), list(MUTATIONS)
    files = {}
    for folder, seed in (("one", 3), ("two", 3), ("other", 4)):
        (tmp_path / folder).mkdir()
        files[folder] = list(write_mutants(tmp_path / folder, [base], len(names), seed))
    bytes_of = {name: [path.read_bytes() for path in paths] for name, paths in files.items()}
    assert bytes_of["one"] == bytes_of["two"] != bytes_of["other"]
    assert [path.name.split("-")[1] for path in files["one"]] == names
    assert all(data != sound for data in bytes_of["one"])


def test_a_mutation_stays_inside_its_file() -> None:
    for name, mutate in MUTATIONS.items():
        for seed in range(30):
            for size in (1, 3, 40, 5000):
                data = mutate(bytearray(size), np.random.default_rng(seed)) if size > 3 else b""
                assert len(data) <= size, name
