"""The stored captions of the synthetic world are those of its scenes, and nothing is drawn to read them."""

from __future__ import annotations

import pytest

from captioner.expansion.world import FILE, WORLD_CAPTIONS, drawn_lines, world_library


def test_the_file_is_what_the_scenes_say() -> None:
    stored = FILE.read_text(encoding="utf-8").splitlines()
    assert len(stored) == WORLD_CAPTIONS
    assert stored == list(drawn_lines()), "run python -m captioner.expansion.world"


def test_no_scene_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.world.scene.random_scene", lambda *_, **__: 1 / 0)
    library = world_library()
    assert len(library.examples) == WORLD_CAPTIONS and {"ring", "cross"} <= library.names
    assert all(example.subjects for example in library.examples)
