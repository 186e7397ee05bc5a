"""Truth of stored captions: a row per caption, computed once, and again only for what changed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from captioner.ask.structured import parse, to_json
from captioner.config import CaptionConfig
from jobs.caption import truth
from jobs.core.run import open_run
from jobs.edits.journal import Journal
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema, embeddings_schema
from pipeline.world.captions import caption, structured
from pipeline.world.scene import COLOURS, random_scene
from tests.helpers.caption_media import make_run_folder

CONFIG = CaptionConfig(frames=4)


def write_captions(folder: Path, texts: dict[tuple[str, str], str]) -> None:
    rows = [
        {s.CLIP_ID: clip, s.KIND: kind, s.TEXT: text, s.OUTCOME: "ok", s.CHECKS: []}
        for (clip, kind), text in texts.items()
    ]
    path = folder / "captions" / "part-0.parquet"
    write_table(path, pa.Table.from_pylist(rows, schema=captions_schema()))


def stored(folder: Path) -> dict[tuple[str, str], dict]:
    return {(row[s.CLIP_ID], row[s.KIND]): row for row in truth.truth_rows(folder)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_run_folder(tmp_path, clips=4, broken=(3,))
    texts = {}
    for i in range(4):
        scene = random_scene(i)
        texts[f"clip{i:03d}", "dense"] = caption(scene, "dense")
        texts[f"clip{i:03d}", "short"] = caption(scene, "short")
    import json

    fields = to_json(parse(json.dumps(structured(random_scene(0)))))
    texts["clip000", "structured"] = fields
    write_captions(tmp_path, texts)
    return tmp_path


def test_every_caption_has_a_row_and_only_changes_are_computed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = truth.run(CONFIG, open_run(folder), "embedded")
    rows = stored(folder)
    assert result.rows == result.scored == len(rows) == 9
    assert "clip003 cannot be checked" in capsys.readouterr().err
    for (clip, _), row in rows.items():
        assert (row[s.TRUTH_MIN] is None) == (clip == "clip003")
    structured_row = rows["clip000", "structured"]
    assert structured_row[s.TRUTH_MIN] == pytest.approx(rows["clip000", "dense"][s.TRUTH_MIN])

    monkeypatch.setattr(truth, "Checker", None)  # a finished folder loads no model
    assert truth.run(CONFIG, open_run(folder), "embedded") == result
    monkeypatch.undo()

    # One caption becomes false and hedges; the others keep their rows.
    scene = random_scene(1)
    text = caption(scene, "dense")
    main = scene.objects[0]
    free = next(c for c in COLOURS if c not in {o.colour for o in scene.objects})
    texts = {
        (r[s.CLIP_ID], r[s.KIND]): r[s.TEXT]
        for r in pq.read_table(folder / "captions" / "part-0.parquet").to_pylist()
    }
    texts["clip001", "dense"] = f"{text.replace(main.colour, free)} It seems to be a toy."
    del texts["clip002", "short"]
    write_captions(folder, texts)
    again = truth.run(CONFIG, open_run(folder), "embedded")
    after = stored(folder)
    assert again.scored == 1 and again.rows == 8 and ("clip002", "short") not in after
    changed = after.pop(("clip001", "dense"))
    assert changed[s.TRUTH_MIN] < rows["clip001", "dense"][s.TRUTH_MIN]
    assert changed[s.CHECKS] == ["hedging"]
    assert all(after[key] == rows[key] for key in after)

    # A person mends it: what is packed is what is checked.
    value = {"kind": "dense", "text": text}
    Journal(folder).append("ann", "caption", value, clip_id="clip001")
    mended = truth.run(CONFIG, open_run(folder), "embedded")
    assert mended.scored == 1
    assert stored(folder)["clip001", "dense"] == rows["clip001", "dense"]
    assert truth.run(CONFIG, open_run(folder), "embedded") == mended


def test_the_reference_is_chosen_once(folder: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    from pipeline.openclip.model import load_openclip

    model = load_openclip("embedded")

    def write(count: int) -> None:
        vectors = [rng.normal(size=model.dim).astype(np.float16) for _ in range(count)]
        columns = {s.CLIP_ID: [f"clip{i:03d}" for i in range(count)], s.CLIP_EMBEDDING: vectors}
        schema = embeddings_schema(model.dim)
        write_table(folder / "embeddings" / "part-0.parquet", pa.table(columns, schema=schema))

    assert truth.reference_vectors(open_run(folder), model.id, model.dim) is None
    write(5)
    assert truth.reference_vectors(open_run(folder), model.id, model.dim) is None
    write(20)
    first = truth.reference_vectors(open_run(folder), model.id, model.dim)
    assert first.shape == (20, model.dim)
    write(30)
    assert np.array_equal(truth.reference_vectors(open_run(folder), model.id, model.dim), first)
    assert truth.reference_vectors(open_run(folder), "another model", model.dim).shape[0] == 30
