"""``filmstock world``: shards with true captions, the same from any number of processes, and nothing done twice."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.world.shards import main, parse_sizes, run
from pipeline import schema as s
from pipeline.world.clips import WorldConfig, world_row


def test_shards_hold_the_rows_of_the_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--clips", "5", "--seed", "9", "--workers", "1"]) == 0
    config = WorldConfig(clips=5, seed=9)
    want = [world_row(config, i) for i in range(5)]
    manifest = pq.read_table(tmp_path / "shards.manifest.parquet").to_pylist()
    assert [row[s.CLIP_ID] for row in manifest] == [row[s.CLIP_ID] for row in want]
    for row, entry in zip(want, manifest, strict=True):
        with (tmp_path / "shards" / entry[s.SHARD]).open("rb") as handle:
            handle.seek(entry[s.BYTE_OFFSET])
            assert handle.read(entry[s.BYTE_LENGTH]) == row[s.VIDEO]
        assert entry[s.CAPTION_DENSE] == row[s.CAPTION_DENSE]
    before = (tmp_path / "shards.manifest.parquet").stat().st_mtime_ns
    capsys.readouterr()
    run(config, tmp_path, workers=1)
    assert "nothing to do" in capsys.readouterr().out
    assert (tmp_path / "shards.manifest.parquet").stat().st_mtime_ns == before


def test_sizes_are_parsed_or_refused() -> None:
    assert parse_sizes("64x64, 80X48") == ((64, 64), (80, 48))
    with pytest.raises(UserError, match="'64' is not WIDTHxHEIGHT"):
        parse_sizes("64")


def test_impossible_configs_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="multiple of 16"):
        run(WorldConfig(clips=1, sizes=((50, 50),)), tmp_path)
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--clips", "0"], "--clips 0: it must be at least 1"),
        (["--sizes", "64"], "--sizes: size '64' is not WIDTHxHEIGHT; write sizes like 64x64,80x48"),
    ],
)
def test_the_command_line_names_the_option_that_is_wrong(
    words: list[str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        main([str(tmp_path / "out"), *words])
    assert str(caught.value) == says
    assert not (tmp_path / "out").exists()
