"""Keys follow content: settings, names and bytes of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.core import keys
from jobs.core.keys import config_key, files_key
from pipeline.config import IngestConfig, SelectConfig


def test_a_key_follows_every_field_and_not_the_order_of_keys():
    assert config_key(IngestConfig()) == config_key(IngestConfig())
    assert config_key(IngestConfig()) != config_key(IngestConfig(crf=19))
    assert config_key({"a": 1, "b": 2}) == config_key({"b": 2, "a": 1})
    assert config_key(SelectConfig(where={"a": "x"})) != config_key(SelectConfig(where={"a": "y"}))
    assert config_key(np.float64(0.5), Path("a")) == config_key(0.5, "a")
    with pytest.raises(TypeError, match="no stable text"):
        config_key(object())


def test_a_files_key_follows_names_and_contents(tmp_path: Path):
    first, second = tmp_path / "one" / "t", tmp_path / "two" / "t"
    for folder in (first, second):
        folder.mkdir(parents=True)
        (folder / "part-0.parquet").write_bytes(b"abc")
    assert files_key([first]) == files_key([second])
    (second / ".part.tmp").write_bytes(b"half")
    assert files_key([first]) == files_key([second]), "temporary files do not count"
    (second / "part-0.parquet").write_bytes(b"abd")
    assert files_key([first]) != files_key([second])
    assert files_key([tmp_path / "none"]) != files_key([first])


def test_a_large_file_is_keyed_by_its_head_middle_and_tail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keys, "WHOLE_FILE_BYTES", 8)
    monkeypatch.setattr(keys, "BLOCK_BYTES", 2)
    path = tmp_path / "big"
    seen = set()
    for text in (
        b"0123456789abcdef",
        b"x123456789abcdef",
        b"01234567x9abcdef",
        b"0123456789abcdex",
    ):
        path.write_bytes(text)
        seen.add(files_key([path]))
    assert len(seen) == 4
