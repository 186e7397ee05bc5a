"""Which bytes of which files the table of a folder may lead to; routes over it are in ``jobs/view/test_app``."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.search.dataset import open_dataset
from tests.helpers.shard_media import make_rows, make_shards

SECRET = b"secret" * 99


@pytest.mark.parametrize(
    "shard",
    ["../secret", "a/../../secret", "{folder}/secret", "..\\secret", "file:///{folder}/secret"],
)
def test_a_table_of_somebody_else_leads_to_no_file_outside(tmp_path: Path, shard: str) -> None:
    """Shards are passed on, and their table says where bytes lie: any file of this machine, if one lets it."""
    (tmp_path / "secret").write_bytes(SECRET)
    data = open_dataset(make_shards(tmp_path / "shards", make_rows(3)))
    row = data.held_row(0)
    assert data.clip_bytes(row, 0, row["byte_length"])[4:8] == b"ftyp"
    row["shard"] = shard.format(folder=tmp_path)
    with pytest.raises(FileNotFoundError):
        data.clip_bytes({**row, "byte_offset": 0}, 0, 10)
