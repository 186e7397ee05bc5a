"""Recipes: files of ours load, what is written reads back the same, and mistakes are named with the nearest key."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.core.errors import UserError
from jobs.core.recipe import (
    RECIPES,
    SECTIONS,
    find_recipe,
    folder_recipe,
    load_recipe,
    parse_override,
    parse_overrides,
    save_recipe,
    to_toml,
)
from pipeline.config import BalanceConfig, BestConfig, IngestConfig

SHIPPED = sorted(path.stem for path in RECIPES.glob("*.toml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_the_three_recipes_are_there():
    assert {"demo", "laptop", "cluster"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_resolved_recipe_reads_back_the_same(name: str, tmp_path: Path):
    recipe = load_recipe(name)
    again = load_recipe(write(tmp_path, to_toml(recipe)))
    assert again.key == recipe.key
    assert all(getattr(again, section) == getattr(recipe, section) for section in SECTIONS)


@pytest.mark.parametrize("name", SHIPPED)
def test_predicates_of_our_recipes_run_on_a_manifest(name: str):
    from pipeline.select.predicates import evaluate
    from pipeline.tables import manifest_schema

    recipe = load_recipe(name)
    empty = manifest_schema(tuple(recipe.openclip.concepts)).empty_table()
    assert set(evaluate(empty, recipe.select.where)) == set(recipe.select.where)


def test_defaults_are_in_the_sections_themselves(tmp_path: Path):
    """Keys of stages are made with ``vars``; a default that is left out there would change the key on a rerun."""
    recipe = load_recipe(write(tmp_path, "[ingest]\ncrf = 20\n"))
    again = load_recipe(write(tmp_path, to_toml(recipe)))
    for section in SECTIONS:
        assert vars(getattr(again, section)) == vars(getattr(recipe, section))
    assert vars(recipe.ingest).keys() == IngestConfig.__dataclass_fields__.keys()


def test_odd_text_survives_the_round_trip(tmp_path: Path):
    odd = 'say "hi"\n\tto \\ ünïcode \x7f \x01'
    recipe = load_recipe(None, {"select.where": {"mine": odd}, "openclip.concepts": {"a b": [odd]}})
    again = load_recipe(write(tmp_path, to_toml(recipe)))
    assert again.select.where == {"mine": odd}
    assert again.openclip.concepts == {"a b": (odd,)}


def test_overrides_win_over_the_file(tmp_path: Path):
    path = write(tmp_path, "[ingest]\ncrf = 30\nmax_clip_s = 5\n")
    recipe = load_recipe(path, {"ingest.crf": 20, "select.where.dark": "luma_mean > 0.1"})
    assert (recipe.ingest.crf, recipe.ingest.max_clip_s) == (20, 5.0)
    assert recipe.select.where == {"dark": "luma_mean > 0.1"}


def test_tables_inside_a_section_survive_the_round_trip_and_are_checked(tmp_path: Path):
    text = '[select.best.dull]\nby = "aesthetic"\nkeep = 0.2\n[select.balance.crowd]\ncap = 5\nconcepts = ["a"]\n'
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.select.best == {"dull": BestConfig(by="aesthetic", keep=0.2)}
    assert recipe.select.balance == {"crowd": BalanceConfig(cap=5, concepts=("a",))}
    again = load_recipe(write(tmp_path, to_toml(recipe)))
    assert (again.select, again.key) == (recipe.select, recipe.key)


def test_the_key_follows_the_settings_and_not_the_name(tmp_path: Path):
    assert load_recipe(write(tmp_path, "")).key == load_recipe(None).key
    assert load_recipe(None, {"ingest.crf": 19}).key != load_recipe(None).key


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[ingest]\nmax_clip = 3\n", ["[ingest]", "'max_clip'", "'max_clip_s'", "mine.toml"]),
        ("[ingset]\n", ["'ingset'", "'ingest'", "mine.toml"]),
        ("[ingest]\ncrf = 'high'\n", ["[ingest]", "crf is 'high'", "must be a whole number"]),
        (
            "[select.where]\ndark = 3\n",
            ["[select]", "where is {'dark': 3}", "a table, key = value"],
        ),
        ("[ingest]\ncodec = 'divx'\n", ["codec is 'divx'", "one of h264, av1"]),
        ("[ingest]\nmin_clip_s = nan\n", ["min_clip_s is nan", "finite and above 0"]),
        ("[ingest]\ncodec = 'av1'\ncrf = 0\n", ["crf is 0", "1 (best) to 63 for codec av1"]),
        ("[ingest]\nmin_clip_s = 5\nmax_clip_s = 4\n", ["min_clip_s is 5", "max_clip_s 4"]),
        ("[openclip]\nframes = 0\n", ["frames is 0", "at least 1"]),
        ("[pack]\nkinds = ['haiku']\n", ["kinds", "haiku", "one of short, dense"]),
        ("[pack]\nkinds = []\n", ["kinds is []", "at least one kind"]),
        ("[encode]\nmax_pixels = 0\n", ["max_pixels is 0", "at least 256"]),
        ("[caption]\ntemperature = -1\n", ["temperature is -1", "at least 0"]),
        ("[caption.prompts]\ndense = '{nope}'\n", ["prompts.dense", "{nope}", "{frames}"]),
        ("[caption.prompts]\npoem = 'a'\n", ["prompts.poem", "short, dense"]),
        ("[caption]\nbase_url = 'nonsense'\n", ["base_url is 'nonsense'", "http://"]),
        ("ingest = 3\n", ["[ingest]", "table"]),
        ("[ingest\n", ["not valid TOML", "line 1"]),
        ("[caption]\nbackend = 'magic'\n", ["[caption]", "magic", "transformers"]),
        (
            "[select.best.a]\nby = 'x'\nkeep = 20\n",
            ["[select.best.a]", "keep is 20", "above 0 and at most 1"],
        ),
        ("[select.best.a]\nby = 'x'\nkep = 0.2\n", ["[select.best.a]", "'kep'", "'keep'"]),
        ("[select.best.a]\nby = 'x'\n", ["[select.best.a]", "has no keep", "add keep"]),
        ("[select.best]\na = 0.2\n", ["[select.best.a]", "table", "0.2"]),
        ("[select]\nbest = 0.2\n", ["[select.best]", "named tables", "0.2"]),
        ("[select.balance.a]\ncap = 2\n", ["[select.balance.a]", "group = SQL or concepts"]),
    ],
)
def test_a_mistake_in_a_recipe_is_one_line_that_names_it(
    text: str, says: list[str], tmp_path: Path
):
    with pytest.raises(UserError) as caught:
        load_recipe(write(tmp_path, text))
    for part in says:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_lists_ours(tmp_path: Path):
    with pytest.raises(UserError, match="demo"):
        find_recipe("dmeo")
    with pytest.raises(UserError, match="folder"):
        find_recipe(str(tmp_path))


def test_a_recipe_that_is_not_text_is_named(tmp_path: Path):
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ingest.crf=20", ("ingest.crf", 20)),
        (
            "openclip.model=ViT-B-32/laion2b_s34b_b79k",
            ("openclip.model", "ViT-B-32/laion2b_s34b_b79k"),
        ),
        ("pack.kinds=['dense']", ("pack.kinds", ["dense"])),
        ('select.where.a="x = 1"', ("select.where.a", "x = 1")),
        ("select.where.a=motion_mean > 0.1", ("select.where.a", "motion_mean > 0.1")),
    ],
)
def test_an_override_is_toml_or_else_text(text: str, expected: tuple[str, object]):
    assert parse_override(text) == expected


def test_an_override_without_a_value_or_a_key_is_refused():
    with pytest.raises(UserError, match="no '='"):
        parse_override("ingest.crf")
    with pytest.raises(UserError, match="--set ingest: names no setting"):
        load_recipe(None, {"ingest": 3})
    with pytest.raises(UserError, match="--set ingest.crf.x: 'crf' is a value"):
        load_recipe("demo", {"ingest.crf": 20, "ingest.crf.x": 1})


def test_what_is_wrong_is_blamed_on_the_recipe_or_on_the_override(tmp_path: Path):
    path = write(tmp_path, "[ingest]\ncrf = 99\n")
    with pytest.raises(UserError, match=r"mine.toml: \[ingest\] crf is 99"):
        load_recipe(path, {"ingest.min_clip_s": -1})
    with pytest.raises(UserError, match=r"^--set: \[ingest\] min_clip_s is -1"):
        load_recipe("demo", {"ingest.min_clip_s": -1})


def test_a_run_folder_remembers_its_recipe(tmp_path: Path):
    first = folder_recipe(tmp_path, "demo", {"ingest.crf": 25})
    save_recipe(tmp_path, first)
    stamp = (tmp_path / "recipe.toml").stat().st_mtime_ns
    assert folder_recipe(tmp_path, None).key == first.key
    save_recipe(tmp_path, first)
    assert (tmp_path / "recipe.toml").stat().st_mtime_ns == stamp, "unchanged, so not rewritten"
    assert folder_recipe(tmp_path, "laptop").openclip.model.startswith("ViT-B-32")


def test_a_setting_that_is_given_twice_is_refused() -> None:
    assert parse_overrides(["ingest.crf=3", "ingest.fps=8"]) == {
        "ingest.crf": 3,
        "ingest.fps": 8,
    }
    with pytest.raises(UserError, match="--set ingest.crf is given twice, 3 and 4; give it once"):
        parse_overrides(["ingest.crf=3", "ingest.crf=4"])
