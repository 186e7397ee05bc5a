"""Search by text and by picture with a real CLIP of the embedded kind, in its own process."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from starlette.testclient import TestClient

from jobs.view.app import UPLOADS, make_viewer_app
from jobs.view.viewer import Viewer
from jobs.web.guard import Access
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.tables import embeddings_schema
from tests.helpers.warm_python import spawned_warm
from tests.jobs.view.conftest import RECIPE, prepare

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 60), "blue": (40, 60, 220)}


def circle(colour: str) -> np.ndarray:
    y, x = np.mgrid[:96, :96]
    inside = (x - 48) ** 2 + (y - 48) ** 2 < 30**2
    return np.where(inside[..., None], COLOURS[colour], 128).astype(np.uint8)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, list[str]]]:
    """Three clips whose embeddings are those of a red, a green and a blue circle."""
    folder = tmp_path_factory.mktemp("run")
    ids = prepare(folder, 3)
    (folder / "recipe.toml").write_text(RECIPE + '[openclip]\nmodel = "embedded"\n')
    viewer = Viewer(folder, "ann")
    embedder = viewer.now.similar.embedder
    assert embedder is not None
    with spawned_warm():
        vectors = [embedder.ask("image", png(circle(colour))) for colour in COLOURS]
    rows = [
        {s.CLIP_ID: clip, s.CLIP_EMBEDDING: vector.astype(np.float16)}
        for clip, vector in zip(ids, vectors, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=embeddings_schema(len(vectors[0])))
    write_table(folder / "embeddings" / "part-00000.parquet", table)
    viewer.reload()
    app = make_viewer_app(viewer, Access(uploads=UPLOADS))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as found:
        yield found, ids


def order(client: TestClient, ids: list[str], **question: str) -> list[int]:
    answer = client.get("/api/clips", params={"q": json.dumps(question)})
    assert answer.status_code == 200, answer.text
    return [ids.index(each["id"]) for each in answer.json()["clips"]]


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_text_finds_what_clips_show(client: tuple[TestClient, list[str]]) -> None:
    asking, ids = client
    for place, colour in enumerate(COLOURS):
        assert order(asking, ids, text=f"A {colour} circle.")[0] == place


def test_a_picture_finds_its_like(client: tuple[TestClient, list[str]]) -> None:
    asking, ids = client
    for place, colour in enumerate(COLOURS):
        sent = asking.post(
            "/api/image", content=png(circle(colour)), headers={"Content-Type": "image/png"}
        )
        assert order(asking, ids, image=sent.json()["image"])[0] == place


def test_what_is_no_picture_is_refused(client: tuple[TestClient, list[str]]) -> None:
    asking, _ = client
    for kind, data, code in (
        ("image/png", b"nothing", 400),
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400),
        ("text/plain", png(circle("red")), 415),
        ("image/png", b"x" * (UPLOADS["/api/image"] + 1), 413),
    ):
        assert (
            asking.post("/api/image", content=data, headers={"Content-Type": kind}).status_code
            == code
        )


def test_captions_are_held_against_the_frames(client: tuple[TestClient, list[str]]) -> None:
    asking, ids = client
    told = asking.get(f"/api/clip/{ids[0]}/support?kind=dense").json()
    assert [text for text, _ in told["assertions"]] == ["dense 0"] and not told["calibrated"]
    assert -1 <= told["assertions"][0][1] <= 1
    assert asking.get(f"/api/clip/{ids[0]}/support?kind=facts").status_code == 404
