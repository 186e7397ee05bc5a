"""The arrows of the data flow, and one place for column names: rules of the code as tests."""

from __future__ import annotations

import ast
import logging.config
import subprocess
import sys
from pathlib import Path

from pipeline import schema

ROOT = Path(schema.__file__).resolve().parent.parent
FOLDERS = ("pipeline", "captioner", "vae", "dit", "jobs")


def loaded_after(code: str) -> set[str]:
    """Top-level modules in sys.modules after running ``code`` in a fresh interpreter."""
    script = f"import gc; gc.disable()\n{code}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=True,
    )
    return set(done.stdout.split())


def test_no_module_of_the_models_needs_ray_or_transformers():
    """All modules of both packages in one process: torch's import takes seconds each time."""
    files = sorted(path for name in ("vae", "dit") for path in (ROOT / name).rglob("[a-z]*.py"))
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    assert {"vae.model", "dit.model", "dit.train.loop", "dit.samplers"} <= set(modules)
    loaded = loaded_after(f"import vae, dit, {', '.join(modules)}")
    assert {"vae", "dit", "torch"} <= loaded
    assert not loaded & {"ray", "transformers", "open_clip", "tyro", "captioner", "jobs"}


def test_options_are_checked_without_torch():
    """A wrong option is answered at once: nothing that it needs imports torch, which takes seconds."""
    from jobs.commands import COMMANDS

    lines = [f"main([{name!r}, '--nonesuch'])" for name in COMMANDS]
    lines += ["main(['sample', '--prompt', 'x', '--rule', 'magic'])"]
    loaded = loaded_after("from jobs.cli import main\n" + "\n".join(lines))
    assert not loaded & {"torch", "ray", "transformers", "open_clip"}


def test_the_arrows_of_the_design_hold(monkeypatch):
    from importlinter import cli

    # it would disable every logger that there is, and tests after this one look at ours
    monkeypatch.setattr(logging.config, "dictConfig", lambda _: None)
    assert cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


UNMISTAKABLE = (
    schema.CLIP_ID,
    schema.SOURCE_ID,
    schema.SOURCE_URI,
    schema.START_PTS,
    schema.END_PTS,
    schema.TIME_BASE_NUM,
    schema.TIME_BASE_DEN,
    schema.BYTE_OFFSET,
    schema.BYTE_LENGTH,
    schema.VIDEO_XXH3,
    schema.CLIP_EMBEDDING,
    schema.PROMPT_HASH,
    schema.FRAMES_HASH,
    schema.CACHE_KEY,
    schema.TEXT_FEATURES,
)
"""Column names that mean nothing else; ``width``, ``luma_mean`` and the like are names of other things too."""


def test_only_the_schema_spells_column_names():
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path == Path(schema.__file__).resolve():
                continue
            text = path.read_text()
            if not any(f"{quote}{name}{quote}" in text for name in UNMISTAKABLE for quote in "'\""):
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Constant) and node.value in UNMISTAKABLE:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.value!r}")
    assert found == [], "use the constants of pipeline/schema.py"
