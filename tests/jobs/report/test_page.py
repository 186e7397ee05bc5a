"""``report.html``: what is on it, that it needs nothing else, its size, and that it is the same each time."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks.report_size import make_run
from jobs.core.errors import UserError
from jobs.core.run import open_run
from jobs.core.stage import mark_done
from jobs.ingest.index import DROPPED
from jobs.ingest.ledger import Ledger, compile_sources, exclusive
from jobs.report import page as report
from pipeline import schema as s

CLIPS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("report") / "run", CLIPS, files=4, size=(64, 48))


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return report.write_report(open_run(folder)).read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Checks that tags nest, and collects every attribute that could load something."""

    VOID = ("meta", "br", "img", "path", "line")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: set[str] = set()
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.loads |= {str(values[k])[:11] for k in ("src", "href", "srcset") if k in values}
        self.ids.add(values.get("id") or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_every_section_is_there_and_tags_nest(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    sections = {
        "funnel",
        "scores",
        "thresholds",
        "cuts",
        "duplicates",
        "kept",
        "errors",
        "inputs",
        "made",
    }
    assert sections <= tags.ids
    links = {load[1:] for load in tags.loads if load.startswith("#")}
    assert {link for link in links if not any(i.startswith(link) for i in tags.ids)} == set()


def test_it_loads_nothing(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert {load for load in tags.loads if not load.startswith("#")} == {"data:image/"}
    assert "default-src 'none'" in page
    assert "<script" not in page and "@import" not in page
    assert not re.search(r"url\(|https?://", page)


def test_text_of_a_run_is_escaped(page: str) -> None:
    assert "<b>moov" not in page and "&lt;b&gt;moov" in page


def test_command_versions_and_config_are_shown(page: str) -> None:
    assert "filmstock curate raw --out run" in page
    assert "python 3" in page
    assert "dedup_phash_bits = 8" in page


def test_same_run_same_bytes(folder: Path, page: str) -> None:
    assert report.write_report(open_run(folder)).read_text(encoding="utf-8") == page


def test_the_page_stays_below_its_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PICTURE_BYTES", 0)
    bare = report.write_report(open_run(folder)).stat().st_size
    monkeypatch.setattr(report, "PICTURE_BYTES", 400_000)
    for most, has_pictures in ((bare + 130_000, True), (bare + 1, False)):
        monkeypatch.setattr(report, "MAX_BYTES", most)
        page = report.write_report(open_run(folder))
        assert page.stat().st_size < most
        assert ("data:image/jpeg" in page.read_text()) == has_pictures


def test_pictures_fit_their_budget_section_by_section(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PICTURE_BYTES", 100_000)
    text = report.write_report(open_run(folder)).read_text()
    pictures = re.findall(r'src="(data:image/jpeg[^"]*)"', text)
    assert 0 < sum(map(len, pictures)) <= 100_000
    for section in ("thresholds", "cuts", "kept"):
        part = text.split(f'<section id="{section}">')[1].split("</section>")[0]
        assert "data:image/jpeg" in part


def test_clips_whose_bytes_are_gone_are_gaps(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 12, files=1, size=(64, 48))
    (folder / "clips" / "part-00.parquet").unlink()
    text = report.write_report(open_run(folder)).read_text()
    assert "bytes unreadable" in text and "data:image/jpeg" not in text


def test_a_run_before_selection_has_no_funnel_and_no_strips(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 12, files=1, size=(64, 48))
    for name in ("selection.parquet", "metrics.jsonl", "recipe.toml", ".done/curate.json"):
        (folder / name).unlink()
    text = report.write_report(open_run(folder)).read_text()
    assert 'id="funnel"' not in text and 'id="thresholds"' not in text
    assert "not recorded" in text


def test_a_folder_without_tables_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="manifest"):
        report.write_report(open_run(tmp_path))


def test_a_run_without_any_clip_says_what_became_of_the_footage(tmp_path: Path) -> None:
    """A film of fades: nothing to keep, and nothing lost without a word."""
    ledger = Ledger(tmp_path)
    record = {s.SOURCE_URI: "/raw/fades.mp4", s.SOURCE_ID: "ab", s.OUTCOME: "done", s.N_CLIPS: 0}
    lost = [[0.0, 6.0, "fade"], [6.0, 6.5, "short"], [6.5, 10.0, "fade"]]
    with exclusive(tmp_path):
        ledger.write({**record, s.DURATION_S: 10.0, DROPPED: lost})
        compile_sources(ledger, lambda _: None)
    run = open_run(tmp_path)
    assert run.dropped() == {"fade": (2, 9.5), "short": (1, 0.5)}
    assert report.main([str(tmp_path)]) == 0
    text = (tmp_path / "report.html").read_text()
    assert "Footage that became no clip" in text and "<td>fade</td>" in text
    assert 'id="funnel"' not in text and "fades.mp4" in text


def test_curate_records_its_command_once(folder: Path) -> None:
    report.update(open_run(folder), "filmstock curate 'my films' --out run")
    first = (folder / "report.html").stat().st_mtime_ns
    assert "filmstock curate &#39;my films&#39; --out run" in (folder / "report.html").read_text()
    report.update(open_run(folder), "filmstock curate again --out run")
    assert (folder / "report.html").stat().st_mtime_ns == first, "the tables have not changed"


def test_the_command_writes_a_stale_page_anew_and_leaves_a_fresh_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark_done(folder, "select", "one", {"outputs": ["selection.parquet"]})
    assert report.main([str(folder)]) == 0
    assert "report: see" in capsys.readouterr().out
    first = (folder / report.REPORT).read_bytes()
    assert report.main([str(folder)]) == 0
    assert "nothing to do" in capsys.readouterr().out
    mark_done(folder, "select", "two", {"outputs": ["selection.parquet"]})
    assert report.main([str(folder)]) == 0
    assert "report: see" in capsys.readouterr().out
    assert (folder / report.REPORT).read_bytes() == first, "same tables, same bytes"


def test_the_command_says_what_a_folder_lacks(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="manifest"):
        report.main([str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
