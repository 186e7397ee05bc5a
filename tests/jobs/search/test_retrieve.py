"""Retrieval: the nearest clips by embedding and caption, never a rejected or forgotten one, and clear refusals."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from captioner.expansion.prompts import expand
from jobs.core.errors import UserError
from jobs.core.run import FORGETTING
from jobs.edits.journal import Journal
from jobs.ingest.tombstones import add_tombstones
from jobs.search.retrieve import Retrieval, open_retrieval
from pipeline import load_text_encoder
from pipeline import schema as s
from pipeline.openclip.model import OpenClipModel
from pipeline.store.parquet import write_table
from pipeline.tables import embeddings_schema
from tests.helpers.world_set import TEXTS, prepare

PROMPT = "A red circle moves to the right."


@pytest.fixture(scope="module")
def clip() -> OpenClipModel:
    """The embedded CLIP, loaded once."""
    return load_text_encoder("embedded")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, clip: OpenClipModel) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("set")
    return folder, prepare(folder, clip)


@pytest.fixture
def own(made: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, list[str]]:
    """A copy that a test may change."""
    shutil.copytree(made[0], tmp_path / "set")
    return tmp_path / "set", made[1]


@pytest.fixture(autouse=True)
def one_model(clip: OpenClipModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All retrievals share the one model."""
    monkeypatch.setattr(Retrieval, "clip", clip)
    yield


def found(folder: Path, ids: list[str], count: int = 7) -> list[int]:
    answer = open_retrieval(folder).nearest(PROMPT, count)
    return [ids.index(each.clip_id) for each in answer.found]


def test_the_nearest_come_first_and_what_the_rules_rejected_never(made: tuple[Path, list[str]]) -> None:  # fmt: skip
    folder, ids = made
    order = found(folder, ids)
    assert set(order[:2]) == {0, 2}
    assert sorted(order) == [0, 1, 2, 3, 4, 5]
    answer = open_retrieval(folder).nearest(PROMPT, 2)
    nearest = answer.found[0]
    assert 0 < nearest.similarity < 1 and nearest.caption == TEXTS[order[0]]
    assert nearest.record()["clip_id"] == ids[order[0]]
    assert [each.text for each in answer.examples] == [TEXTS[i] for i in order[:2]]


def test_what_a_person_rejected_is_not_found(own: tuple[Path, list[str]]) -> None:
    folder, ids = own
    journal = Journal(folder)
    journal.append("ann", "decision", {"decision": "reject"}, clip_id=ids[0])
    journal.append("ann", "decision", {"decision": "keep"}, clip_id=ids[6])
    order = found(folder, ids)
    assert order[0] == 2 and 0 not in order and 6 not in order


def test_what_was_forgotten_is_not_found(own: tuple[Path, list[str]]) -> None:
    folder, ids = own
    add_tombstones(folder, ["source0"], [])
    assert sorted(found(folder, ids)) == [3, 4, 5]
    (folder / FORGETTING).write_text("{}")
    with pytest.raises(UserError, match="a forgetting was cut short"):
        open_retrieval(folder)


def test_a_caption_corrected_by_hand_is_the_one_that_is_used(own: tuple[Path, list[str]]) -> None:
    folder, ids = own
    text = "A red circle moves to the right past a lamp."
    Journal(folder).append(
        "ann", "caption", {"kind": "dense", "text": text, "was": TEXTS[0]}, clip_id=ids[0]
    )
    answer = open_retrieval(folder).nearest(PROMPT, 3)
    assert text in [each.caption for each in answer.found]


def test_a_caption_that_failed_its_checks_is_neither_shown_nor_an_example(
    own: tuple[Path, list[str]],
) -> None:
    """A refusal would become a part of the prompt that is sampled from."""
    folder, ids = own
    text = "I am sorry, but I cannot describe a red circle that moves to the right."
    for path in (folder / "captions").glob("part-*.parquet"):
        rows = pq.read_table(path).to_pylist()
        for row in rows:
            if row[s.CLIP_ID] == ids[0]:
                row[s.TEXT], row[s.OUTCOME] = text, str(s.CaptionOutcome.REFUSED)
        write_table(path, pa.Table.from_pylist(rows, schema=pq.read_schema(path)))
    answer = open_retrieval(folder).nearest(PROMPT, 7)
    shown = {each.clip_id: each.caption for each in answer.found}
    assert shown[ids[0]] == "" and TEXTS[2] in shown.values()
    assert text not in [each.text for each in answer.examples]


def test_retrieved_captions_are_the_examples_of_an_expansion(made: tuple[Path, list[str]]) -> None:
    folder, ids = made
    answer = open_retrieval(folder).nearest("A blue circle moves to the right.", 1)
    (nearest,) = answer.found
    ground = nearest.caption.split("The background is ")[1].rstrip(".")
    made_of = expand(answer.prompt, library=answer.library, examples=answer.examples)
    assert "blue circle" in made_of.text and ground in made_of.text


def test_a_picture_of_a_clip_is_its_middle_frame(made: tuple[Path, list[str]]) -> None:
    folder, ids = made
    assert open_retrieval(folder).picture(ids[1]).shape == (48, 32, 3)


def test_folders_that_cannot_be_searched_are_refused(own: tuple[Path, list[str]], tmp_path: Path) -> None:  # fmt: skip
    folder, _ = own
    with pytest.raises(UserError, match="does not exist"):
        open_retrieval(tmp_path / "nowhere")
    shutil.move(folder / "recipe.toml", tmp_path)
    with pytest.raises(UserError, match="nothing says which CLIP"):
        open_retrieval(folder)
    shutil.move(tmp_path / "recipe.toml", folder)
    for file in (folder / "embeddings").iterdir():
        file.unlink()
    with pytest.raises(UserError, match="no embeddings of clips"):
        open_retrieval(folder)


def test_embeddings_of_another_clip_are_refused(own: tuple[Path, list[str]]) -> None:
    folder, ids = own
    rows = [{s.CLIP_ID: i, s.CLIP_EMBEDDING: np.ones(24, np.float16)} for i in ids]
    other = pa.Table.from_pylist(rows, schema=embeddings_schema(24))
    write_table(folder / "embeddings" / "part-00000.parquet", other)
    with pytest.raises(UserError, match="different models"):
        open_retrieval(folder).nearest(PROMPT, 1)


def test_a_set_of_which_nothing_is_kept_is_refused(own: tuple[Path, list[str]]) -> None:
    folder, ids = own
    journal = Journal(folder)
    for each in ids:
        journal.append("ann", "decision", {"decision": "reject"}, clip_id=each)
    with pytest.raises(UserError, match="no clip is kept"):
        open_retrieval(folder).nearest(PROMPT, 1)
