"""Every target read back: by the trainer's own loader where it can be installed, else by a reader of its contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.cli import main
from jobs.imports.formats import reader_of
from jobs.imports.items import ReadOptions
from pipeline.export.targets import NAMES, find_target
from pipeline.store.paths import location
from tests.helpers import trainer_readers
from tests.helpers.export_media import DENSE, PROFILE, Made, export_shards, write_profile

KEPT = {"exact33": 33, "fast25": 33, "tall": 17, "varying": 17}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Shards, a profile, and one export whose files the others link to."""
    folder = tmp_path_factory.mktemp("targets")
    export_shards(folder)
    profile = str(write_profile(folder))
    for trainer in ("diffusion-pipe", "musubi-tuner"):  # with sound, and without
        assert main(["export", str(folder), "--for", trainer, "--model", profile,
                     "--out", str(folder / trainer)]) == 0  # fmt: skip
    return folder, profile


def export(made, target, out, *words):
    folder, profile = made
    link = folder / ("diffusion-pipe" if find_target(target).audio else "musubi-tuner")
    return main(["export", str(folder), "--for", target, "--model", profile, "--out", str(out),
                 "--link", str(link), *words])  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_trainer_finds_every_clip_and_its_caption(made, tmp_path, name):
    if name == "lance":
        pytest.importorskip("lance")
    out = tmp_path / "out"
    kept = KEPT
    if name == "cosmos-framework":  # which wants 61 frames
        made, kept = long_clips(tmp_path), {"long": 65}
        assert (
            main(["export", str(made[0]), "--for", name, "--model", made[1], "--out", str(out)])
            == 0
        )
    else:
        assert export(made, name, out) == 0
    read = getattr(trainer_readers, name.replace("-", "_"))(out)
    assert {clip: frames for clip, (_, frames) in read.items()} == kept
    assert all(captions[0] == DENSE for captions, _ in read.values())


@pytest.mark.parametrize("name", sorted({*NAMES} - {"lance"}))
def test_import_reads_what_a_trainer_reads(made, tmp_path, name):
    """Under the same name, and by itself: else captions that were written here would be lost on the way back."""
    out, kept = tmp_path / "out", len(KEPT)
    if name == "cosmos-framework":
        made, kept = long_clips(tmp_path), 1
        words = ["export", str(made[0]), "--for", name, "--model", made[1], "--out", str(out)]
        assert main(words) == 0
    else:
        assert export(made, name, out) == 0
    for form in (name, "auto"):
        _, read = reader_of(form, out)
        items = list(read(out, ReadOptions()))
        assert len(items) == kept and all(item.captions and not item.problem for item in items)
        assert all(location(item.uri).is_file() or name == "webdataset" for item in items)
        whole = {(0, 65)} if name == "cosmos-framework" else {(None, None)}
        assert {(item.span.start, item.span.end) for item in items} == whole, "files keep bytes"


def long_clips(folder):
    """Shards of one clip that is long enough and one that is not, and a profile."""
    clips = (Made(name="long", n_frames=70), Made(name="middling", n_frames=40))
    export_shards(folder, clips)
    text = PROFILE.replace("[17, 33]", "[33, 65]")
    return folder, str(write_profile(folder, text))


@pytest.mark.parametrize("name", NAMES)
def test_a_target_is_a_small_description(name):
    target = find_target(name)
    assert target.name == name and target.reads
    module = Path(__file__).parents[3] / "pipeline/export/targets" / f"{name.replace('-', '_')}.py"
    assert len(module.read_text().splitlines()) < 120


def test_what_is_no_target_is_one_line_that_says_what_is():
    with pytest.raises(
        ValueError, match=r"'os:system' is a builtin_.*name one of diffusion-pipe, .*of yours"
    ):
        find_target("os:system")
    with pytest.raises(ValueError, match="did you mean 'musubi-tuner'"):
        find_target("musubi")


def test_a_trainer_of_your_own_is_one_file(made, tmp_path, monkeypatch):
    (tmp_path / "my_trainer.py").write_text(
        "from pipeline.export.target import Target, to_csv\n"
        "def files(export):\n"
        "    yield 'list.csv', to_csv({'path': export.path(c), 'frames': c.n_frames} for c in export.clips)\n"
        "TARGET = Target(name='mine', reads='my trainer', sidecars=('videos/{name}.txt',), files=files)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert export(made, "my_trainer:TARGET", tmp_path / "out") == 0
    assert (tmp_path / "out/videos/tall.txt").read_text() == DENSE
    assert "/out/videos/tall.mp4,17" in (tmp_path / "out/list.csv").read_text()
