"""encode: right latents, exactly the stale rows renewed, resumable, the same through Ray."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from jobs.core.errors import UserError
from jobs.core.keys import files_key
from jobs.core.run import open_run
from jobs.core.stage import Stage
from jobs.shards.encode import main, run
from jobs.shards.encode_chunk import Encoder
from jobs.train import dit as train_dit
from pipeline import schema as s
from pipeline.config import EncodeConfig
from pipeline.latents import parts
from pipeline.latents.stale import refuse_stale
from pipeline.latents.store import LatentStore
from pipeline.loader.view import decode_view
from pipeline.shards.read import open_manifest
from pipeline.store.atomic import AtomicFile
from pipeline.store.parquet import write_table
from tests.helpers.shard_media import flip_byte, make_rows, make_shards
from tests.helpers.tiny_models import tiny_clip, tiny_vae
from vae.checkpoint import load_vae

N = 12


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    vae, clip = tiny_vae(folder / "vae.safetensors"), tiny_clip(folder / "clip")
    return EncodeConfig(vae=str(vae), text_encoder=str(clip), max_pixels=48 * 32)


@pytest.fixture
def folder(tmp_path):
    make_shards(tmp_path / "shards", make_rows(N))
    return tmp_path


@pytest.fixture(scope="module")
def encoded_once(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoded")
    make_shards(folder / "shards", make_rows(N))
    run(config, folder, workers=1)
    return folder


@pytest.fixture
def encoded(encoded_once, folder):
    """A folder of shards whose latents are there, as ``run`` left them."""
    shutil.rmtree(folder / "shards")
    shutil.copytree(encoded_once, folder, dirs_exist_ok=True)
    return folder


def keys_of(folder):
    """clip id -> cache key of its latents."""
    found = {}
    for rows in parts.clip_keys(folder / "latents").values():
        found.update(rows)
    return found


def texts_of(folder):
    """Keys of all captions whose features are stored."""
    return {key for rows in parts.text_keys(folder / "latents").values() for key in rows}


def test_rows_hold_the_posterior_and_the_text_features(folder, config):
    result = run(config, folder, workers=1)
    assert (result.clips, result.captions, result.encoded, result.failed) == (N, 2 * N, N, 0)
    store, encoder, manifest = LatentStore(folder), Encoder(config), open_manifest(folder)
    assert store.metadata["vae_id"] == encoder.vae.id
    assert store.metadata["text_encoder_id"] == encoder.text.id
    assert store.text_dim == 24
    rows = {row[s.CLIP_ID]: i for i, row in enumerate(manifest.table.to_pylist())}
    for number in range(0, 2 * N, 5):
        row = store.row(number)
        clip = manifest.row(rows[row[s.CLIP_ID]])
        native = {name: clip[name] for name in (s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT)}
        frames = decode_view(manifest.read(rows[row[s.CLIP_ID]]), encoder.view, **native)
        assert frames.shape[:3] == (row[s.N_FRAMES], row[s.HEIGHT], row[s.WIDTH])
        x = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        posterior = load_vae(config.vae).encode(x)
        mean, logvar = store.posterior(store.clip_of(number))
        np.testing.assert_allclose(mean, posterior.mean[0].numpy(), atol=2e-3, rtol=5e-3)
        np.testing.assert_allclose(logvar, posterior.logvar[0].numpy(), atol=2e-3, rtol=5e-3)
        want = encoder.text.text_tokens([row[s.CAPTION]])[0]
        np.testing.assert_allclose(store.text(number), want, atol=1e-3, rtol=5e-3)


@pytest.mark.parametrize(
    "change", [{"kinds": ("dense", "short")}, {"text_encoder": 1}, {"text_storage": "fp8"}]
)
def test_captions_never_run_the_vae_again(folder, config, change, tmp_path, monkeypatch):
    """A kind that is new, another text encoder or another storage: latents stay as they are."""
    config = replace(config, kinds=("dense",))
    run(config, folder, workers=1)
    before = {path: path.read_bytes() for path in (folder / "latents").glob("part-*.parquet")}
    if "text_encoder" in change:
        change = {"text_encoder": str(tiny_clip(tmp_path / "other_clip", seed=1))}
    monkeypatch.setattr("vae.loaded.LoadedVae.encode", None)
    result = run(replace(config, **change), folder, workers=1)
    assert (result.encoded, result.reused, result.clips) == (0, N, N)
    assert result.texts > 0 and result.captions == N * (1 + ("kinds" in change))
    assert {p: p.read_bytes() for p in (folder / "latents").glob("part-*.parquet")} == before
    assert LatentStore(folder).item(0)[s.TEXT_FEATURES].shape[1] == 24


def test_the_source_of_a_clip_is_kept(tmp_path, config):
    rows = [{**row, s.SOURCE_ID: f"film{i % 3}"} for i, row in enumerate(make_rows(6))]
    make_shards(tmp_path / "shards", rows)
    run(config, tmp_path, workers=1)
    assert sorted(LatentStore(tmp_path).sources) == ["film0", "film1", "film2"]


def test_rerun_does_nothing_and_says_so(encoded, config, capsys):
    before = {p: p.stat().st_mtime_ns for p in (encoded / "latents").iterdir()}
    capsys.readouterr()
    assert main([str(encoded), "--vae", config.vae, "--text", config.text_encoder,
                 "--set", f"encode.max_pixels={config.max_pixels}"]) == 0  # fmt: skip
    assert "nothing to do" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in (encoded / "latents").iterdir()} == before


def test_a_deleted_part_is_encoded_again(encoded, config):
    next((encoded / "latents").glob("part-*.parquet")).unlink()
    assert run(config, encoded, workers=1).encoded == N
    next((encoded / "latents" / "texts").glob("part-*.parquet")).unlink()
    result = run(config, encoded, workers=1)
    assert result.encoded == 0 and result.texts > 0
    assert len(LatentStore(encoded)) == 2 * N


def test_only_rows_whose_key_changed_are_encoded(encoded, config):
    before = keys_of(encoded)
    rows = make_rows(N)
    rows[3][s.CAPTION_DENSE] = "another caption"
    rows[5][s.VIDEO] = make_rows(N + 6)[N + 5][s.VIDEO]
    reshard(encoded, rows)
    result = run(config, encoded, workers=1)
    assert (result.encoded, result.texts, result.reused, result.dropped) == (1, 1, N - 1, 2)
    after = keys_of(encoded)
    changed = {clip for clip in after if after[clip] != before[clip]}
    assert changed == {rows[5][s.CLIP_ID]}
    reshard(encoded, rows[:-1])
    result = run(config, encoded, workers=1)
    assert (result.clips, result.captions, result.encoded) == (N - 1, 2 * N - 2, 0)


@pytest.mark.parametrize(
    "change",
    [{"fps": 4.0}, {"max_frames": 5}, {"max_pixels": 32 * 32}, {"vae": 1}, {"posterior": "mean"}],
)
def test_every_setting_that_matters_renews_all_latents_and_no_text(
    encoded, config, change, tmp_path
):
    before = texts_of(encoded)
    if "vae" in change:
        change = {"vae": str(tiny_vae(tmp_path / "other.safetensors", seed=1))}
    result = run(replace(config, **change), encoded, workers=1)
    assert (result.encoded, result.dropped, result.clips, result.texts) == (N, N, N, 0)
    assert texts_of(encoded) == before


def test_a_key_names_everything_a_row_is_computed_from(config, monkeypatch, tmp_path):
    row = {**make_rows(1)[0], s.SHARD: "part-0", s.BYTE_OFFSET: 4, s.BYTE_LENGTH: 9}
    row[s.VIDEO_XXH3] = "0" * 32
    base = Encoder(config)

    def key(encoder=base, **changes):
        return encoder.task({**row, **changes}, {"dense": "a red ball"}).key

    def seen(**changes):
        encoder = Encoder.__new__(Encoder)
        encoder.__dict__.update(base.__dict__)
        encoder.view = replace(base.view, **changes)
        return encoder

    def with_settings(**changes):
        encoder = Encoder.__new__(Encoder)
        encoder.__dict__.update(base.__dict__)
        encoder.config = replace(config, **changes)
        return encoder

    other_vae = Encoder(replace(config, vae=str(tiny_vae(tmp_path / "v.safetensors", seed=1))))
    other_text = Encoder(replace(config, text_encoder=str(tiny_clip(tmp_path / "c", seed=1))))
    changed = {
        "clip bytes": key(**{s.VIDEO_XXH3: "1" * 32}),
        "number of frames": key(**{s.N_FRAMES: 5}),
        "frame rate": key(**{s.FPS: 12.0}),
        "width": key(**{s.WIDTH: 64}),
        "height": key(**{s.HEIGHT: 64}),
        "fps of the view": key(seen(fps=4.0)),
        "length of the view": key(seen(max_frames=5)),
        "crop": key(seen(max_pixels=32 * 32)),
        "rounding of the crop": key(seen(multiple=32)),
        "VAE": key(other_vae),
        "what is kept": key(with_settings(posterior="mean")),
    }
    monkeypatch.setattr("jobs.shards.encode_chunk.RECIPE_VERSION", 99)
    changed["version of this code"] = key()
    texts = [base.text_key("a red ball")]
    monkeypatch.undo()
    texts += [
        base.text_key("a red ball"),
        base.text_key("a red ball."),
        other_text.text_key("a red ball"),
    ]
    texts.append(with_settings(text_storage="fp8").text_key("a red ball"))
    assert len(set(texts)) == 5
    assert key(other_text) == key(), "a caption or its encoder is no part of latents"
    assert len({key(), *changed.values()}) == len(changed) + 1, changed
    where = {s.SHARD: "part-7", s.BYTE_OFFSET: 99, s.BYTE_LENGTH: 10, s.CLIP_ID: "x"}
    assert key(**where) == key()  # where the bytes lie is no part of what they are


@pytest.mark.parametrize("edit", ["caption", "video", "clip removed", "clip added"])
def test_a_stale_cache_is_refused_by_name(encoded, config, edit):
    refuse_stale(encoded)
    rows = make_rows(N + 1)
    added = rows.pop()
    if edit == "caption":
        rows[3][s.CAPTION_DENSE] = "another caption"
    elif edit == "video":
        rows[0][s.VIDEO] = added[s.VIDEO]
    elif edit == "clip removed":
        rows.pop()
    else:
        rows.append(added)
    reshard(encoded, rows)
    counts = {"clip removed": "0 clips without latents, 1 latents", "clip added": "1 clips without"}
    with pytest.raises(UserError, match="latents is stale") as caught:
        train_dit.main([str(encoded), "--out", str(encoded / "dit"), "--steps", "1"])
    assert counts.get(edit, "0 clips without latents, 0 latents") in str(caught.value)
    assert "filmstock encode" in str(caught.value)
    run(config, encoded, workers=1)
    refuse_stale(encoded)


def test_resharding_alone_does_not_make_a_cache_stale(encoded, config):
    reshard(encoded, make_rows(N)[::-1])
    refuse_stale(encoded)
    refuse_stale(encoded / "latents")


def test_interrupted_run_goes_on_where_it_stopped(folder, config, monkeypatch):
    monkeypatch.setattr("jobs.shards.encode.CHUNK_CLIPS", 4)
    whole, calls = Encoder.encode, []

    def stop_at_third(self, chunk, *rest):
        calls.append(len(chunk))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self, chunk, *rest)

    monkeypatch.setattr(Encoder, "encode", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        run(config, folder, workers=1)
    with pytest.raises(ValueError, match="encoding was interrupted"):
        LatentStore(folder)
    monkeypatch.setattr(Encoder, "encode", whole)
    for name in ("manifest.parquet", "texts/part-1.parquet"):  # as kill -9 leaves them
        AtomicFile(folder / "latents" / name).tmp.write_bytes(b"half")
    result = run(config, folder, workers=1)
    assert (result.encoded, result.reused, result.clips, result.texts) == (8, 4, N, 0)
    assert len(LatentStore(folder)) == 2 * N
    assert not list((folder / "latents").rglob("*.tmp"))


def test_damaged_clip_is_reported_and_tried_again(folder, config, capsys):
    manifest = open_manifest(folder)
    flip_byte(folder / "shards", manifest.row(0))
    result = run(config, folder, workers=1)
    assert (result.clips, result.captions, result.failed) == (N - 1, 2 * N - 2, 1)
    assert "do not match their hash" in capsys.readouterr().err
    flip_byte(folder / "shards", manifest.row(0))  # flips it back
    again = run(config, folder, workers=1)
    assert (again.encoded, again.texts, again.clips) == (1, 0, N)


def test_chosen_kinds_only(folder, config):
    run(replace(config, kinds=("short",)), folder, workers=1)
    store = LatentStore(folder)
    assert {store.kind(n) for n in range(len(store))} == {"short"}
    with pytest.raises(UserError, match="no clip in .* has a caption of kind structured"):
        run(replace(config, kinds=("structured",)), folder, workers=1)


def test_wrong_paths_are_one_line_errors(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        main([str(tmp_path / "nope")])
    with pytest.raises(ValueError, match="filmstock pack"):
        main([str(tmp_path)])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ray_workers_give_the_same_rows(encoded, config):
    out = encoded / "ray" / "latents"
    result = run(config, encoded, out=out, workers=2)
    assert (result.clips, result.captions) == (N, 2 * N)
    a, b = LatentStore(encoded), LatentStore(out)
    assert a.hash == b.hash
    for i in range(2 * N):
        np.testing.assert_allclose(a.text(i), b.text(i), atol=2e-3, rtol=1e-2)
    for i in range(N):
        for x, y in zip(a.posterior(i), b.posterior(i), strict=True):
            np.testing.assert_allclose(x, y, atol=2e-3, rtol=1e-2)


def reshard(folder, rows):
    """Replace the shards by those of ``rows``."""
    for path in (folder / "shards").iterdir():
        path.unlink()
    make_shards(folder / "shards", rows)


def test_structured_captions_are_rendered_and_drawn(tmp_path, config):
    from captioner.render import render_text
    from pipeline.config import MixConfig
    from pipeline.loader.api import LatentPacks

    fields = (
        '{"subjects": [{"name": "ball", "appearance": "red", "action": "rolls", "position": "low"}],'
        ' "background": "a lawn", "camera": "is static", "lighting": "is soft"}'
    )
    rows = make_rows(6)
    for row in rows[:4]:
        row |= {s.CAPTION_STRUCTURED: fields, s.CAPTION_ORIGINAL: "my garden"}
    rows[3][s.CAPTION_STRUCTURED] = "no JSON"
    make_shards(tmp_path / "shards", rows)
    run(replace(config, renderings=3), tmp_path, workers=1)
    store = LatentStore(tmp_path)
    rows_there = map(store.row, range(len(store)))
    found = {(row[s.CLIP_ID], row[s.KIND]): row[s.CAPTION] for row in rows_there}
    for i, row in enumerate(rows):
        told = [found[key] for key in sorted(found) if key[0] == row[s.CLIP_ID] and "." in key[1]]
        want = [render_text(fields, seed=0, epoch=n, clip_id=row[s.CLIP_ID]) for n in range(3)]
        assert told == (list(dict.fromkeys(want)) if i < 3 else [])
    mix = MixConfig(structured=1, original=1, empty=0)
    packs = LatentPacks(tmp_path, token_budget=200, drop_last=False, mix=mix)
    assert packs.lacking == {"structured": 3, "original": 2}
    steps = [packs.at(packs.steps.advance(packs.state, k)) for k in range(12)]
    drawn = {c[s.KIND].partition(".")[0] for st in steps for pack in st.units for c in pack}
    assert drawn == {"structured", "original", "dense"}


def test_a_second_encode_keeps_the_settings_of_the_first(folder, config, capsys, tmp_path):
    models = ["--vae", config.vae, "--text", config.text_encoder]
    main([str(folder), *models, "--set", f"encode.max_pixels={32 * 32}", "--workers", "1"])
    before = keys_of(folder)
    capsys.readouterr()
    main([str(folder), "--workers", "1"])
    assert keys_of(folder) == before, "nothing is deleted that was not asked for"
    told = capsys.readouterr().out
    assert "keeps its settings" in told and config.vae in told and "nothing to do" in told
    reshard(folder, make_rows(N - 1))
    main([str(folder), "--workers", "1"])
    assert set(keys_of(folder).values()) < set(before.values())
    main([str(folder), "--set", "encode.kinds=['short']", "--workers", "1"])
    assert len(keys_of(folder)) == N - 1 and set(keys_of(folder).values()) < set(before.values())
    assert len(LatentStore(folder)) == N - 1
    other = str(tiny_vae(tmp_path / "other.safetensors", seed=1))
    main([str(folder), "--vae", other, "--workers", "1"])
    assert not set(keys_of(folder).values()) & set(before.values()), "asked for"


def test_a_vae_that_is_gone_is_named(folder, config, tmp_path):
    vae = tiny_vae(tmp_path / "mine.safetensors", seed=2)
    main([str(folder), "--vae", str(vae), "--text", config.text_encoder, "--workers", "1"])
    vae.unlink()
    before = keys_of(folder)
    with pytest.raises(UserError, match=r"mine.safetensors, which is gone; say .* --vae"):
        main([str(folder), "--workers", "1"])
    assert keys_of(folder) == before


def test_shards_of_an_earlier_selection_are_refused(folder, config):
    """The clips that select rejects by now must not become latents."""
    run_folder = open_run(folder)
    write_table(run_folder.selection, pa.table({s.CLIP_ID: ["a"], s.DECISION: ["keep"]}))
    keys = {"selection.parquet": files_key([run_folder.selection])}
    Stage(folder, "pack", "k", keys).finish({"outputs": ["shards"]})
    run(config, folder, workers=1)
    write_table(run_folder.selection, pa.table({s.CLIP_ID: ["a"], s.DECISION: ["reject"]}))
    for at in (folder, folder / "shards"):
        with pytest.raises(UserError, match="shards is stale: selection.parquet .* filmstock pack"):
            run(config, at, workers=1)


def test_captions_that_will_be_cut_are_counted_before_anything_is_encoded(folder, config, capsys):
    rows = make_rows(N)
    rows[0][s.CAPTION_DENSE] = "a red circle moves to the left and then to the right " * 30
    reshard(folder, rows)
    order = []
    real = Encoder.encode

    def encode(self, chunk, *rest):
        order.append(capsys.readouterr().err)
        return real(self, chunk, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Encoder, "encode", encode)
        result = run(config, folder, workers=1)
    assert result.cut == 1
    assert "captions are longer than the" in order[0] and "lose up to" in order[0]
    store = LatentStore(folder)
    cuts = [store.text_cut(i) for i in range(len(store))]
    assert sum(cut > 0 for cut in cuts) == 1 and None not in cuts
    train_dit.main([str(folder), "--out", str(folder / "dit"), "--dry-run"])
    assert "1 of 24 captions are longer than their text encoder takes" in capsys.readouterr().err
