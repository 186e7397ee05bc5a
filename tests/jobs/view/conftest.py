"""A run folder with rules, a selection and captions, and its app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from jobs.core.run import open_run
from jobs.search.dataset import open_dataset
from jobs.select import command as select
from jobs.view.app import UPLOADS, make_viewer_app
from jobs.view.database import Database
from jobs.view.viewer import Viewer
from jobs.web.guard import Access
from tests.helpers.run_folder import write_run

RECIPE = """
[select]
dedup_phash = false
dedup_exact = false
[select.where]
moving = "motion_mean > 0.25"
slow = "motion_mean < 0.75"
"""


def prepare(folder: Path, clips: int = 9) -> list[str]:
    """Write the folder and select; returns the clip ids. Clips 3 to 7 are kept."""
    rows = write_run(folder, clips)
    (folder / "recipe.toml").write_text(RECIPE)
    run = open_run(folder)
    select.run(run.recipe().select, run)
    return [row["clip_id"] for row in rows]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The locked database of nine clips."""
    folder = tmp_path_factory.mktemp("run")
    prepare(folder)
    opened = Database(open_dataset(folder))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, list[str]]]:
    """A client of a folder that no test changes, and its clip ids."""
    folder = tmp_path_factory.mktemp("run")
    ids = prepare(folder)
    app = make_viewer_app(Viewer(folder, "ann"), Access(uploads=UPLOADS))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client, ids


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[TestClient, list[str], Path]]:
    """A client of a folder of the test's own."""
    ids = prepare(tmp_path)
    app = make_viewer_app(Viewer(tmp_path, "ann"), Access())
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client, ids, tmp_path
