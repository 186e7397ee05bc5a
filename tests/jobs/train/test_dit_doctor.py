"""train-dit --dry-run: its counts, first loss and memory are those of the run that follows; trouble is named."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from dit.config import DiTConfig, TrainConfig
from dit.model import DiT
from dit.train.data import generator_for, make_batch
from dit.train.memory import estimate_memory, kept_bytes
from dit.train.training_packs import TrainingPacks
from jobs.core.errors import UserError
from jobs.train import dit as train_dit
from jobs.train import dit_doctor as dry_run
from jobs.train.latent_health import latent_moments, round_trip_psnrs
from pipeline import schema as s
from tests.helpers.json_lines import json_lines
from tests.helpers.latents import write_folder

pytestmark = pytest.mark.usefixtures("one_block")


def words(folder, out, *more):
    base = f"{folder} --out {out} --tokens-per-pack 60 --held-out-share 0.15 --sample-every 0"
    return [*base.split(), *more]


def test_it_reports_on_an_epoch_and_trains_nothing(tmp_path, capsys):
    folder = write_folder(tmp_path / "latents")
    assert train_dit.main(words(folder, tmp_path / "run", "--dry-run")) == 0
    assert not (tmp_path / "run").exists()
    out = capsys.readouterr().out
    data = TrainingPacks(folder, token_budget=60, held_out_share=0.15)
    clips = len(data.clip_ids) - len(data.held_out)
    tokens = sum(n for i, n in enumerate(data.lengths) if i not in data.held_out)
    packs = data.steps.steps_in(0)
    assert f"epoch: {clips} clips, {tokens} tokens, {packs} packs of 60" in out
    assert f"left out: {len(data.held_out)} clips of whole sources held out" in out
    counted = re.findall(r"^ +\d+ x \d+x\d+ +[\dx]+ +(\d+) +(\d+) ", out, re.MULTILINE)
    assert sum(int(n) for n, _ in counted) == clips
    assert sum(int(n) * int(each) for n, each in counted) == tokens
    assert "VAE round trip: not measured" in out and "memory of a process" in out


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_first_loss_is_the_one_that_the_first_step_prints(tmp_path, capsys, scale):
    # with scale 2 statistics do not fit the data: the loss must follow the data
    more = {} if scale == 1.0 else {"latent_std": json.dumps([1 / scale] * 4)}
    folder = write_folder(tmp_path / "latents", clips=64, more=more)
    more = ["--tokens-per-pack", "600", "--held-out-share", "0"]
    train_dit.main(words(folder, tmp_path / "run", *more, "--dry-run"))
    said = re.search(r"first loss: expect ([\d.]+)", capsys.readouterr().out)
    assert said
    train_dit.main(words(folder, tmp_path / "run", *more, "--steps", "1"))
    line = json_lines(tmp_path / "run" / "metrics.jsonl")[0]
    assert line["step"] == 1
    assert float(said[1]) == pytest.approx(line["loss"], rel=0.03)


def test_moments_are_those_of_posterior_samples(tmp_path):
    folder = write_folder(tmp_path / "latents")
    data = TrainingPacks(folder, token_budget=60)
    every = list(range(len(data.clip_ids)))
    moments = latent_moments(data, every, (1, 2, 2))
    generator, draws = torch.Generator().manual_seed(0), []
    for i in every:
        item = data.store.bare_item(i)
        noise = torch.randn(200, *item[s.LATENT_MEAN].shape, generator=generator)
        z = item[s.LATENT_MEAN] + (0.5 * item[s.LATENT_LOGVAR]).exp() * noise
        draws.append(torch.stack([data.spec().normalise(x) for x in z]).transpose(0, 1).flatten(1))
    z = torch.cat(draws, dim=1)
    np.testing.assert_allclose(moments.mean, z.mean(1), atol=0.01)
    np.testing.assert_allclose(moments.std, z.std(1), atol=0.01)


def test_what_would_stop_or_thin_an_epoch_is_named(tmp_path, capsys):
    folder = write_folder(tmp_path / "latents")
    run = tmp_path / "run"
    with pytest.raises(UserError, match="an epoch would be empty: of 24 clips 24 have more than"):
        train_dit.main(words(folder, run, "--dry-run", "--tokens-per-pack", "2"))
    train_dit.main(words(folder, run, "--dry-run", "--tokens-per-pack", "11"))
    err = capsys.readouterr().err
    assert "18 clips have more than the 11 tokens of a pack" in err
    assert "raise --tokens-per-pack to 12" in err
    train_dit.main(words(folder, run, "--dry-run", "--packs-per-step", "50"))
    assert "clips repeat inside every step" in capsys.readouterr().err
    empty = tmp_path / "empty"
    write_folder(empty, clips=0)
    with pytest.raises(UserError, match="holds no clip at all"):
        train_dit.main(words(empty, run, "--dry-run"))
    with pytest.raises(UserError, match="holds no clip at all"):
        train_dit.main(words(empty, run))


def test_damaged_rows_and_odd_channels_are_named(tmp_path, capsys):
    more = {
        "latent_mean": json.dumps([1.0, -1.0, 1.0, -1.0]),
        "latent_std": json.dumps([0.33, 0.33, 0.033, 0.33]),
    }

    def spoil(rows):
        rows[0][s.LATENT_MEAN].flat[0] = np.nan

    folder = write_folder(tmp_path / "latents", more=more, edit=spoil)
    train_dit.main(words(folder, tmp_path / "run", "--dry-run", "--held-out-share", "0"))
    err = capsys.readouterr().err
    assert "clip clip0000 would be replaced by another of its length" in err and "NaN" in err
    assert "clips in all would be replaced" not in err
    assert "channels [2] are far from unit scale" in err


def test_round_trip_is_the_psnr_of_the_vae_on_these_clips(tmp_path, capsys):
    from jobs.shards import encode
    from pipeline.config import EncodeConfig
    from pipeline.loader.view import decode_view
    from pipeline.shards.read import open_manifest
    from tests.helpers.shard_media import make_rows, make_shards
    from tests.helpers.tiny_models import tiny_clip, tiny_vae
    from vae.checkpoint import load_vae
    from vae.evaluate import clip_psnrs
    from vae.loaded import load

    rows = make_rows(6)
    rows[2][s.CAPTION_SHORT] = rows[2][s.CAPTION_DENSE] = None
    make_shards(tmp_path / "shards", rows)
    file = tiny_vae(tmp_path / "vae.safetensors")
    config = EncodeConfig(
        vae=str(file), text_encoder=str(tiny_clip(tmp_path / "clip")), max_pixels=1536, max_frames=5
    )
    encode.run(config, tmp_path, workers=1)
    data, manifest = TrainingPacks(tmp_path, token_budget=60), open_manifest(tmp_path)
    vae = load_vae(file)
    values = round_trip_psnrs(data, manifest, load(file), 16)
    assert sorted(values) == list(data.clip_ids) and len(values) == 5
    view = encode.Encoder(config).view
    for i in range(len(manifest)):
        row = manifest.row(i)
        native = {name: row[name] for name in (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)}
        if row[s.CLIP_ID] in values:
            want = clip_psnrs(vae, [decode_view(manifest.read(i), view, **native)])[0]
            assert values[row[s.CLIP_ID]] == pytest.approx(want, abs=0.1)
    train_dit.main(words(tmp_path, tmp_path / "run", "--dry-run", "--vae", str(file)))
    out = capsys.readouterr().out
    assert f"VAE round trip on 5 clips of this data: {np.mean(list(values.values())):.1f} dB" in out
    assert "1 clips of the shards have no caption of the encoded kinds" in out
    assert "4 clips are longer than what was encoded of them" in out


def test_activations_are_extrapolated_to_a_pack_that_was_not_probed(tmp_path):
    data = TrainingPacks(write_folder(tmp_path / "latents", clips=400), token_budget=2000)
    model = DiTConfig(width=48, depth=5, heads=4, latent_channels=4, text_dim=8)
    config = TrainConfig(tokens_per_pack=2000, precision="fp32", optimizer="adamw")
    clips = [data._clip(i, 0) for i in range(160)]
    estimate = estimate_memory(model, config, clips, data.spec())
    whole = DiT(model)
    assert estimate.parameters == whole.n_parameters()
    assert estimate.optimizer == 8 * estimate.parameters
    (pack,) = data.at(data.state).units
    batch = make_batch(pack, data.spec(), model, config, generator_for(0, 0, 0))
    kept = kept_bytes(whole, batch)
    assert 1900 < len(batch.x_t) <= 2000
    assert estimate.activations == pytest.approx(kept * 2000 / len(batch.x_t) * 1.2, rel=0.2)


def test_spread_is_even_and_bounded():
    assert dry_run.spread(range(10), 4) == [0, 3, 6, 9]
    assert dry_run.spread(range(3), 4) == [0, 1, 2]
