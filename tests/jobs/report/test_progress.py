"""What runs, how fast, and when it ends, from files alone; failures by type; trainings; the page and its pictures."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from jobs.core.lock import locked
from jobs.core.run import open_run
from jobs.core.stage import clear_done
from jobs.ingest.ledger import HIDDEN
from jobs.report import progress
from jobs.report.status import main, status_body
from jobs.report.status_page import ASSETS, status_routes
from jobs.web.app import make_app
from jobs.web.guard import Access
from tests.helpers.run_folders import make_run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a training beside it that says it used it."""
    folder = tmp_path_factory.mktemp("watched")
    run = make_run(folder / "run", folder / "raw", ("quay",))
    dit = folder / "dit"
    (dit / "samples").mkdir(parents=True)
    settings = {"latents": str(folder / "run" / "latents"), "train": {"steps": 100}}
    (dit / "run.json").write_text(json.dumps({"command": "train-dit", "settings": settings}))
    rows = [
        {"step": n, "loss": 2 - n / 100, "elapsed_s": n * 2.0, "progress": n / 100, "held_out": 1.5}
        for n in range(10, 60, 10)
    ]
    text = "\n".join(map(json.dumps, rows)) + '\n{"step": 60, "lo'
    (dit / "metrics.jsonl").write_text(text)
    (dit / "samples" / "step-000050.png").write_bytes(b"\x89PNG")
    (folder / "secret.png").write_bytes(b"\x89PNG secret")
    assert run.path.exists()
    return folder


def test_a_training_has_step_rate_time_left_and_curves(home: Path) -> None:
    with locked(home / "dit", "train-dit"):
        (found,) = progress.read_watched(open_run(home / "run")).trainings
    assert (found.step, found.steps, found.share, found.running) == (50, 100, 0.5, True)
    assert found.steps_per_s == pytest.approx(0.5) and found.left_s == pytest.approx(100)
    assert found.curves["loss"][0] == (10, 1.9) and len(found.curves["held_out"]) == 5
    assert found.samples == ["samples/step-000050.png"]
    assert progress.read_watched(open_run(home / "dit")).trainings[0].left_s is None, "it stopped"


def test_a_running_stage_has_its_count_rate_and_time_left(home: Path) -> None:
    run = open_run(home / "run")
    clear_done(run.path, "ingest")
    (run.path / HIDDEN / "total.json").write_text('{"sources": 5}')
    single = run.path / HIDDEN / "sources" / "ab"
    single.mkdir(parents=True, exist_ok=True)
    with locked(run.path, "ingest"):
        started = time.time() - 1000
        os.utime(run.path / ".lock", (started, started))
        for number in range(2):
            (single / f"{number}.json").write_text("{}")
        (found,) = (each for each in progress.stages(run) if each.running)
    assert (found.stage, found.done, found.total) == ("ingest", 3, 5)
    assert found.per_s == pytest.approx(2e-3, rel=0.2)
    assert found.left_s == pytest.approx(1000, rel=0.2)
    for path in single.iterdir():
        path.unlink()
    assert not any(each.running for each in progress.stages(run))


def test_what_an_earlier_run_did_is_no_part_of_the_rate(home: Path) -> None:
    run = open_run(home / "run")
    single = run.path / HIDDEN / "sources" / "cd"
    single.mkdir(parents=True)
    clear_done(run.path, "ingest")
    with locked(run.path, "ingest"):
        started = time.time() - 1000
        os.utime(run.path / ".lock", (started, started))
        for number in range(4):
            (single / f"{number}.json").write_text("{}")
            if number:
                os.utime(single / f"{number}.json", (started - 60, started - 60))
        (found,) = (each for each in progress.stages(run) if each.running)
    for number in range(4):
        (single / f"{number}.json").unlink()
    assert found.done == 5 and found.per_s == pytest.approx(1e-3, rel=0.2)


def test_rates_curves_and_samples_are_the_newest(tmp_path: Path) -> None:
    """A curve without its last point, or a rate of the first minutes, shows a training that is no more."""
    (tmp_path / "samples").mkdir()
    settings = {"command": "train-dit", "settings": {"train": {"steps": 2000}}}
    (tmp_path / "run.json").write_text(json.dumps(settings))
    seconds = [n if n < 900 else 900 + 4 * (n - 900) for n in range(1002)]
    rows = [{"step": n, "loss": float(n), "elapsed_s": seconds[n]} for n in range(1002)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    for number in range(20):
        path = tmp_path / "samples" / f"step-{number:06d}.png"
        path.write_bytes(b"")
        os.utime(path, (number, number))
    found = progress.read_training(tmp_path)
    assert found.curves["loss"][-1] == (1001, 1001.0)
    assert len(found.curves["loss"]) <= progress.POINTS + 200
    assert found.steps_per_s == pytest.approx(0.25)
    assert found.samples[0] == "samples/step-000019.png" and len(found.samples) == progress.SAMPLES


def test_captions_to_come_are_those_of_every_kind(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay",))
    kinds = run.recipe().caption.kinds
    clear_done(run.path, "caption")

    def total() -> int | None:
        (found,) = (each.total for each in progress.stages(run) if each.stage == "caption")
        return found

    assert total() is None, "without a recipe nobody knows"
    run.save_recipe(run.recipe())
    assert total() == run.kept_clips().num_rows * len(kinds) > 3


def test_failures_are_counted_by_type(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline import schema as s

    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay",))
    table = pq.read_table(run / "sources.parquet").to_pylist()
    bad = {s.OUTCOME: "quarantined", s.ERROR_STAGE: "decode", s.ERROR_TYPE: "timeout"}
    rows = [*table, {**table[0], **bad}, {**table[0], **bad}]
    schema = pq.read_schema(run / "sources.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), run / "sources.parquet")
    part = next(iter((tmp_path / "run" / "captions").glob("part-*")))
    captions = pq.read_table(part).to_pylist()
    captions[0][s.OUTCOME] = "refused"
    pq.write_table(pa.Table.from_pylist(captions, schema=pq.read_schema(part)), part)
    assert progress.failures(run) == [("source", "decode/timeout", 2), ("caption", "refused", 1)]


def test_status_prints_it_and_the_page_shows_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = open_run(home / "run")
    assert main([str(home / "run")]) == 0
    assert "step 50 of 100, loss 1.5000, held-out 1.5000" in capsys.readouterr().out
    assert main([str(home / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trainings"][0]["step"] == 50
    app = make_app(status_routes(run, status_body, "/"), Access(), assets=(ASSETS,))
    client = TestClient(app, base_url="http://127.0.0.1")
    assert "status.js" in client.get("/").text
    assert client.get("/assets/status.js").status_code == 200
    body = client.get("/api/status").json()
    assert body["trainings"][0]["samples"] == ["samples/step-000050.png"]
    picture = "/api/status/sample/0/"
    assert client.get(picture + "samples/step-000050.png").content == b"\x89PNG"
    for wrong in ("../secret.png", "%2e%2e/secret.png", "state.pt", "run.json"):
        assert client.get(picture + wrong).status_code == 404
    assert client.get("/api/status", headers={"Host": "evil.example"}).status_code == 421


def test_watch_looks_again_until_it_is_stopped(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("jobs.report.status.time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        main([str(home / "run"), "--watch", "--every", "7"])
    assert looks == [7, 7] and capsys.readouterr().out.count("train-dit") == 2


@pytest.mark.parametrize(
    "per_s, text", [(2.5, "2.50 a second"), (0.05, "3.0 a minute"), (0.0005, "1.8 an hour")]
)
def test_a_slow_pace_is_told_in_larger_units(per_s: float, text: str) -> None:
    assert progress.pace(per_s) == text
