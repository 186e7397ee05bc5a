"""Extensions by name: found, or refused in one line."""

from __future__ import annotations

import pytest

from pipeline.extensions import extension_file, is_extension, load_extension, make_extension


@pytest.mark.parametrize("name", ["my_module:Scorer", "a.b.c:make"])
def test_module_and_object_make_an_extension(name: str):
    assert is_extension(name)


@pytest.mark.parametrize(
    "name",
    [
        "embedded",
        "hf-hub:org/repo",
        "s3://bucket/x",
        "C:/x",
        "ViT-B-32/laion",
        "a:",
        ":b",
        "local-dir:/x/y",
    ],
)
def test_other_names_are_none(name: str):
    assert not is_extension(name)
    with pytest.raises(ValueError, match=r"write module:object"):
        load_extension(name, "scorer")


def test_modules_of_the_working_folder_are_found(tmp_path, monkeypatch):
    (tmp_path / "my_extension_module.py").write_text("def make(a):\n    return a + 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    assert make_extension("my_extension_module:make", "scorer", 2) == 3
    with pytest.raises(ValueError, match="scorer 'my_extension_module:other': .* has no 'other'"):
        load_extension("my_extension_module:other", "scorer")
    with pytest.raises(ValueError, match="module 'nowhere_at_all' cannot be imported"):
        load_extension("nowhere_at_all:x", "VAE")


def test_the_file_of_a_module_of_the_working_folder_is_found_before_anything_is_loaded(
    tmp_path, monkeypatch
):
    (tmp_path / "my_other_module.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    assert extension_file("my_other_module:x") == tmp_path / "my_other_module.py"
    with pytest.raises(ValueError, match="module 'nowhere_at_all' cannot be imported"):
        extension_file("nowhere_at_all:x")
