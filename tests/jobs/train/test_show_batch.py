"""show-batch draws what a step really saw; the training loop itself is the witness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import vae.train
from dit.train import feed
from jobs.core.errors import UserError
from jobs.shards import encode
from jobs.train import dit as train_dit
from jobs.train import show_batch
from jobs.train import vae as train_vae
from jobs.train.run_json import read_run
from pipeline import schema as s
from pipeline.config import EncodeConfig
from tests.helpers.shard_media import make_rows, make_shards
from tests.helpers.tiny_models import tiny_clip, tiny_vae

pytestmark = pytest.mark.usefixtures("one_block")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards, and latents of small models: fast to make, and decodable."""
    folder = tmp_path_factory.mktemp("run")
    make_shards(folder / "shards", make_rows(20))
    models = {
        "vae": str(tiny_vae(folder / "vae.safetensors")),
        "text_encoder": str(tiny_clip(folder / "clip")),
    }
    encode.run(EncodeConfig(**models, max_pixels=48 * 32), folder, workers=1)
    return folder


def train_words(folder, out):
    words = (
        f"{folder} --out {out} --steps 4 --tokens-per-pack 40 --packs-per-step 2 --sample-every 0"
    )
    words += f" --condition-share 0.6 --mix dense 1 short 1 empty 0.4 --seed 3 --vae {folder / 'vae.safetensors'}"
    return [*words.split(), "--held-out-share", "0.1"]


@pytest.fixture(scope="module")
def dit_run(folder, tmp_path_factory):
    """A finished train-dit, and what its loop put into the model at every step."""
    out = tmp_path_factory.mktemp("dit") / "run"
    calls: list = []

    def spy(clips, spec, model, config, generator, **more):
        batch = whole(clips, spec, model, config, generator, **more)
        if not more:
            calls.append(([clip[s.CLIP_ID] for clip in clips], batch))
        return batch

    patch = pytest.MonkeyPatch()
    whole = feed.make_batch
    patch.setattr(feed, "make_batch", spy)
    train_dit.main(train_words(folder, out))
    patch.undo()
    return out, calls


def test_a_dit_step_is_the_one_that_was_trained_on(dit_run):
    out, calls = dit_run
    run = read_run(out)
    assert len(calls) >= 8  # steps that the feed made ahead are among them
    for number in (1, 2, 4):
        packs = calls[2 * (number - 1) : 2 * number]
        title, cells = show_batch.dit_cells(run, number, run.vae, most=100)
        assert title.startswith(f"train-dit step {number} ")
        facts = [cell.lines[0][0] for cell in cells]
        ids = [[f.split("  ")[1] for f in facts if f.startswith(f"pack {p} ")] for p in (0, 1)]
        assert [sorted(names) for names in ids] == [sorted(names) for names, _ in packs]
        levels = [float(f.split("  t ")[1].split()[0]) for f in facts]
        want, dropped, marked = [], [], []
        for _, batch in packs:
            ends = batch.layout.segments.ends
            for i in range(batch.layout.n_clips):
                span = slice(ends[i], ends[i + 1])
                want.append(float(batch.levels.of_tokens()[span].max()))
                marked.append(bool(batch.given[span].any()))
            dropped += [length == 0 for length in batch.layout.captions.lengths]
        np.testing.assert_allclose(levels, want, atol=6e-4)
        assert [cell.lines[1][0].startswith("no caption drawn") for cell in cells] == dropped
        assert [any(cell.strips[1].marked) for cell in cells] == marked
        assert ["given latent frames" in fact for fact in facts] == marked


def test_the_sheet_is_written_and_every_clip_listed(dit_run, capsys):
    out, _ = dit_run
    assert show_batch.main([str(out), "--step", "2", "--clips", "3"]) == 0
    picture = Image.open(out / "batches" / "step-000002.png")
    assert picture.width > 600 and picture.height > 200
    assert len(np.unique(np.asarray(picture))) > 50
    said = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("  pack ") for line in said) > 3


def test_given_frames_are_marked_by_latent_frame():
    assert show_batch._given_frames([0], 9, 4) == [True] + [False] * 8
    assert show_batch._given_frames([1], 9, 4) == [False] + [True] * 4 + [False] * 4


@pytest.mark.usefixtures("thin_vae")
@pytest.mark.parametrize("image_share", [0.0, 1.0])
def test_a_vae_step_is_the_one_that_was_trained_on(folder, tmp_path, monkeypatch, image_share):
    seen, noises = [], []
    step, noise = vae.train.train_step, vae.train.step_noise
    monkeypatch.setattr(
        vae.train, "train_step", lambda *a, **k: seen.append(a[2].numpy()) or step(*a, **k)
    )
    monkeypatch.setattr(
        vae.train, "step_noise", lambda *a: noises.append(noise(*a)[1]) or noise(*a)
    )
    out = tmp_path / "vae"
    words = f"{folder} --out {out} --steps 4 --stop-at 3 --batch 4 --init {folder / 'vae.safetensors'} --decoder-only"
    train_vae.main([*words.split(), "--image-share", str(image_share), "--max-pixels", "1024"])
    for number in (1, 3):
        _, cells = show_batch.vae_cells(read_run(out), number)
        frames = np.concatenate([cell.strips[0].frames for cell in cells])
        np.testing.assert_array_equal(frames, seen[number - 1].reshape(frames.shape))
        levels = [cell.lines[0][0].split("latent noise ")[1].split(", ") for cell in cells]
        want = noises[number - 1].flatten(1).numpy()
        np.testing.assert_allclose(np.array(levels, float), want, atol=6e-4)
    assert show_batch.main([str(out), "--step", "2"]) == 0


def test_what_a_person_can_fix_is_one_line(dit_run, folder, tmp_path):
    out, _ = dit_run
    with pytest.raises(UserError, match="has no run.json; give the --out of train-vae"):
        show_batch.main([str(folder), "--step", "1"])
    with pytest.raises(UserError, match="--step 0: it must be at least 1"):
        show_batch.main([str(out), "--step", "0"])
    with pytest.raises(UserError, match="say where with --data"):
        show_batch.main([str(out), "--step", "1", "--data", str(tmp_path / "gone")])
    with pytest.raises(UserError, match="give the VAE that made them: --vae"):
        show_batch.main([str(out), "--step", "1", "--vae", "embedded"])
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="is not what this filmstock writes"):
        show_batch.main([str(tmp_path), "--step", "1"])


def test_moved_data_is_found_by_option(dit_run, folder, tmp_path):
    out, _ = dit_run
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "latents").symlink_to(folder / "latents")
    run = read_run(out)
    there = read_run(out, str(moved))
    assert there == replace(run, latents=str(moved))
    a = show_batch.dit_cells(run, 2, run.vae, most=0)
    assert show_batch.dit_cells(there, 2, run.vae, most=0) == a
