"""Assets, errors and escaping of every app."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from jobs.core.errors import UserError
from jobs.web.app import make_app
from jobs.web.guard import Access
from jobs.web.paths import PathRefused, confined
from jobs.web.render import page, templates


async def raises(request: Request) -> Response:
    kind = request.query_params["kind"]
    raise {
        "user": UserError("no\nsuch <column>"),
        "bug": RuntimeError("inside"),
        "path": PathRefused("x"),
    }[kind]


def client(tmp_path: Path) -> TestClient:
    routes = [Route("/api/raises", raises), Route("/raises", raises)]
    app = make_app(routes, Access(), assets=(tmp_path,))
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)


def test_assets_come_from_the_apps_folder_then_the_shared_one(tmp_path: Path) -> None:
    (tmp_path / "own.js").write_text("1")
    (tmp_path / "notes.txt").write_text("secret")
    asking = client(tmp_path)
    assert asking.get("/assets/own.js").text == "1"
    css = asking.get("/assets/base.css")
    assert css.headers["content-type"].startswith("text/css") and "--accent" in css.text
    for name in ("notes.txt", "none.js", "../server.py", "%2e%2e/server.py", "..%2f..%2fcli.py"):
        assert asking.get(f"/assets/{name}").status_code == 404


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline() -> None:
    web = Path(page.__code__.co_filename).parents[1]
    files = [p for p in web.rglob("*") if p.suffix in (".j2", ".css", ".js", ".svg")]
    files = [p for p in files if p.parent.name in ("templates", "assets")]
    assert len(files) >= 5
    for file in files:
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, file
        if file.suffix == ".j2":
            assert "style=" not in text and "<style" not in text and " onclick" not in text, file
            assert "<script>" not in text and "|safe" not in text, file
        if file.suffix == ".js":
            assert "innerHTML" not in text and "eval(" not in text, file


def test_errors_are_one_line_and_say_nothing_of_the_inside(tmp_path: Path) -> None:
    asking = client(tmp_path)
    assert asking.get("/api/raises?kind=user").json() == {"error": "no such <column>"}
    answer = asking.get("/raises?kind=user")
    assert answer.status_code == 400 and "&lt;column&gt;" in answer.text
    assert asking.get("/api/raises?kind=path").status_code == 404
    bug = asking.get("/api/raises?kind=bug")
    assert bug.status_code == 500 and "inside" not in bug.text
    assert asking.get("/nowhere").status_code == 404


def test_templates_escape_and_refuse_what_is_undefined(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{{ name }}")
    assert "<script>" not in page("t.j2", folder=tmp_path, name="<script>").body.decode()
    with pytest.raises(Exception, match="undefined"):
        templates(tmp_path).get_template("t.j2").render()


def test_paths_stay_in_their_folder(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    (inside / "deep").mkdir(parents=True)
    (inside / "deep" / "a").write_text("a")
    (tmp_path / "secret").write_text("s")
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "round").symlink_to(inside / "round")
    assert confined(inside, "deep/a").read_text() == "a"
    for name in (
        "../secret",
        "link",
        "deep/../../secret",
        str(tmp_path / "secret"),
        "",
        ".",
        "a\0b",
        "..\\secret",
    ):
        with pytest.raises(PathRefused):
            confined(inside, name)
