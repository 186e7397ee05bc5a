"""Where things stand: a test beside every module, no file too long, no private names of other packages in tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "captioner", "vae", "dit", "jobs")
MOST_LINES = 400

PRIVATE = {
    "helpers/object_server.py": {
        "_open"
    },  # clients are kept by address: a new server needs new ones
    "pipeline/shards/test_read_store.py": {"_open"},
    "pipeline/store/test_addresses.py": {"_open"},
    "pipeline/shots/test_net.py": {
        "_WINDOW"
    },  # the size of a window changes nothing that can be seen
    "pipeline/select/test_duplicates.py": {"_first_like"},  # how much is compared at once: memory
    "jobs/train/test_show_batch.py": {"_given_frames"},  # arithmetic behind a picture
}
"""Private names that a test file may use."""

VALUES = "constants and settings; what they do is tested where they are used"
WHOLE = "a part of one command, which is tested whole with real files"

ELSEWHERE: dict[str, tuple[str, str]] = {
    "dit/parallel/spread.py": ("dit/parallel/test_context.py", "by four processes together"),
    "pipeline/textencoder/load.py": (
        "pipeline/textencoder/test_language_model.py",
        "every class by path",
    ),
    "dit/train/training_packs.py": ("dit/train/test_loop.py", "what a training draws, and resumes"),
    "vae/foreign.py": ("jobs/train/test_vae_start.py", "a true class of diffusers, trained"),
    "pipeline/contracts.py": ("test_docs.py", "one of each contract in every command"),
    "pipeline/exports.py": ("test_api.py", "every public name"),
    "pipeline/autoencoder/ltx2.py": (
        "pipeline/autoencoder/test_diffusers.py",
        "beside what diffusers gives",
    ),
    "pipeline/autoencoder/hunyuan15.py": (
        "pipeline/autoencoder/test_diffusers.py",
        "beside what diffusers gives",
    ),
    "jobs/trace/buckets.py": (
        "jobs/trace/test_forget_store.py",
        "through the command, on a versioned bucket",
    ),
    "pipeline/autoencoder/names.py": (
        "pipeline/autoencoder/test_diffusers.py",
        "names beside their models",
    ),
    "pipeline/textencoder/open.py": (
        "pipeline/textencoder/test_transformers.py",
        "encoders by name",
    ),
    "captioner/check/talk.py": ("captioner/check/test_boilerplate.py", "words of its patterns"),
    "captioner/check/phrases_time.py": ("captioner/check/test_boilerplate.py", "times by name"),
    "captioner/check/phrases_camera.py": ("captioner/check/test_boilerplate.py", "cameras, styles"),
    "captioner/check/talk_asian.py": (
        "captioner/check/test_talk_languages.py",
        "patterns by language",
    ),
    "captioner/check/talk_european.py": (
        "captioner/check/test_talk_languages.py",
        "patterns by language",
    ),
    "captioner/check/refusal_languages.py": ("captioner/check/test_checks.py", "among the checks"),
    "captioner/check/phrases.py": ("captioner/check/test_boilerplate.py", "openings by name"),
    "captioner/check/phrases_inside.py": (
        "captioner/check/test_boilerplate.py",
        "asides and tails",
    ),
    "captioner/dialects/kept.py": (
        "captioner/dialects/test_write.py",
        "every dialect is held to it",
    ),
    "jobs/export/captions.py": ("jobs/export/test_command.py", WHOLE),
    "jobs/export/profiles.py": ("pipeline/export/test_profile.py", "profiles by name"),
    "jobs/export/report.py": ("jobs/export/test_command.py", WHOLE),
    "jobs/export/write.py": ("jobs/export/test_command.py", WHOLE),
    "pipeline/export/targets/diffusion_pipe.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/musubi_tuner.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/videofolder.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/latents/stale.py": ("jobs/shards/test_encode.py", "stale caches are refused"),
    "pipeline/latents/layout.py": ("pipeline/latents/test_store.py", VALUES),
    "pipeline/latents/index.py": ("pipeline/latents/test_store.py", "opened by the store"),
    "pipeline/export/targets/ai_toolkit.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/cosmos_framework.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/diffsynth_studio.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/fastvideo.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/finetrainers.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/folder.py": ("jobs/export/test_targets.py", "its files are read back"),
    "pipeline/export/targets/ltx_2.py": ("jobs/export/test_targets.py", "its files are read back"),
    "pipeline/export/targets/onetrainer.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/open_sora.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/simpletuner.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/videox_fun.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/export/targets/webdataset.py": (
        "jobs/export/test_targets.py",
        "its files are read back",
    ),
    "pipeline/loader/api.py": (
        "pipeline/loader/test_videos.py",
        "one function that opens a loader",
    ),
    "pipeline/motion/analysis.py": ("pipeline/video/test_clock.py", "the one low-resolution pass"),
    "pipeline/motion/optical_flow.py": (
        "pipeline/motion/test_camera_motion.py",
        "input of its fits",
    ),
    "pipeline/openclip/package.py": ("pipeline/openclip/test_torchvision_compat.py", "an import"),
    "pipeline/select/looks.py": ("pipeline/scores/test_look.py", "looks are compared"),
    "pipeline/shards/card.py": (
        "pipeline/shards/test_write.py",
        "opened with datasets by its card",
    ),
    "pipeline/shards/layout.py": ("pipeline/shards/test_write.py", VALUES),
    "pipeline/store/guarded.py": ("pipeline/store/test_addresses.py", "connections are judged"),
    "pipeline/store/hub.py": ("pipeline/openclip/test_find.py", "models found in the hub's cache"),
    "pipeline/training/config.py": ("pipeline/training/test_schedule.py", VALUES),
    "pipeline/video/tags.py": ("pipeline/source/test_sidecars.py", "tags as captions of a source"),
    "pipeline/quality/overall.py": ("pipeline/quality/test_sets.py", "weights of the parts"),
    "pipeline/quality/relevance.py": ("pipeline/quality/test_sets.py", "ranks of assertions"),
    "pipeline/world/blobs.py": ("pipeline/world/test_strict.py", "frames of the strict judge"),
    "pipeline/world/ground.py": ("pipeline/world/test_strict.py", "grounds of the strict judge"),
    "pipeline/world/intervals.py": ("pipeline/world/test_figures.py", "intervals in the table"),
    "pipeline/world/camera.py": ("pipeline/world/test_judge.py", "read back by the judge"),
    "pipeline/world/captions.py": ("pipeline/world/test_judge.py", "truth that the judge reads"),
    "pipeline/world/film_plan.py": ("pipeline/world/test_film.py", "the plan of a film"),
    "pipeline/world/junk.py": ("pipeline/world/test_film.py", "damage inside a film"),
    "pipeline/world/outline.py": ("pipeline/world/test_judge.py", "shapes that the judge reads"),
    "pipeline/world/scene.py": ("pipeline/world/test_judge.py", "scenes that the judge reads"),
    "dit/graphs.py": (
        "dit/test_on_gpu.py",
        "needs CUDA: held to eager sampling by benchmarks/gpu.py",
    ),
    "captioner/ask/prompts.py": ("captioner/ask/test_model_note.py", "prompts per model"),
    "captioner/backends/base.py": ("captioner/backends/test_openai.py", "what backends share"),
    "captioner/backends/embedded.py": ("captioner/train/test_pretrain.py", "the model it trains"),
    "captioner/backends/find.py": ("jobs/caption/test_command.py", "the model of a caption run"),
    "captioner/backends/open.py": (
        "captioner/backends/test_vllm.py",
        "one function that opens one",
    ),
    "captioner/backends/show.py": ("jobs/caption/test_show.py", "what --show prints"),
    "captioner/backends/video_input.py": (
        "captioner/backends/test_transformers.py",
        "what models are shown",
    ),
    "captioner/check/refusal.py": ("captioner/check/test_checks.py", "refusals among the checks"),
    "captioner/config.py": ("jobs/core/test_recipe.py", VALUES),
    "captioner/expansion/fidelity.py": (
        "captioner/expansion/test_expand.py",
        "what expansion keeps",
    ),
    "captioner/expansion/llm.py": ("captioner/expansion/test_expand.py", "expansion by a model"),
    "captioner/train/auxiliary.py": ("captioner/train/test_pretrain.py", WHOLE),
    "captioner/train/evaluate.py": ("captioner/train/test_finetune.py", WHOLE),
    "captioner/train/optim.py": ("captioner/train/test_finetune.py", WHOLE),
    "captioner/train/reply_loss.py": ("captioner/train/test_pretrain.py", WHOLE),
    "captioner/train/world_data.py": ("captioner/train/test_pretrain.py", WHOLE),
    "vae/card.py": ("vae/test_embedded.py", "the card of the shipped weights"),
    "vae/config.py": ("vae/test_model.py", VALUES),
    "vae/state.py": ("vae/test_train.py", "what a training resumes from"),
    "dit/attention.py": ("dit/test_model.py", "each way equals the plain one"),
    "dit/config.py": ("dit/test_model.py", VALUES),
    "dit/layers.py": ("dit/test_model.py", "layers of the model"),
    "dit/video_models.py": ("dit/test_extension.py", "what goes through the three models"),
    "dit/text.py": ("dit/test_model.py", "the text's part of the model"),
    "dit/train/memory.py": ("jobs/train/test_dit_doctor.py", "what the doctor says of memory"),
    "dit/train/metrics.py": ("dit/train/test_loop.py", "lines of a run's metrics"),
    "dit/reward/config.py": ("dit/reward/test_loop.py", "runs of every setting"),
    "dit/reward/run.py": ("dit/reward/test_loop.py", "exact resume, refusals"),
    "jobs/reward/args.py": ("jobs/reward/test_command.py", WHOLE),
    "jobs/reward/results.py": ("jobs/reward/test_command.py", WHOLE),
    "dit/train/optim.py": ("dit/test_rectified_flow.py", "trained with it"),
    "dit/train/rates.py": ("dit/test_rectified_flow.py", "its schedule"),
    "dit/train/refusals.py": ("dit/train/test_loop.py", "a checkpoint of other settings"),
    "dit/latents.py": ("dit/test_checkpoint.py", "scale of latents"),
    "dit/reward/start.py": ("dit/reward/test_loop.py", "refusals of a checkpoint"),
    "vae/refusals.py": ("vae/test_train.py", "schedule, and a checkpoint of other settings"),
    "dit/train/parallel.py": ("dit/train/test_loop.py", "two processes train the model of one"),
    "dit/train/run.py": ("dit/train/test_loop.py", "exact resume"),
    "jobs/commands.py": ("jobs/test_cli.py", "every line of the table"),
    "jobs/caption/domain.py": ("jobs/caption/test_command.py", WHOLE),
    "jobs/core/tables.py": ("jobs/report/test_inspect.py", "tables as they are printed"),
    "jobs/generate/adherence.py": ("jobs/train/test_dit.py", WHOLE),
    "jobs/generate/distractors.py": ("jobs/generate/test_judge.py", WHOLE),
    "jobs/generate/vbench.py": ("jobs/generate/test_judge.py", WHOLE),
    "jobs/generate/judged_files.py": ("jobs/generate/test_judge.py", "files of the command"),
    "jobs/generate/expand.py": ("captioner/expansion/test_expand.py", "the command over it"),
    "jobs/generate/marks.py": ("pipeline/video/test_provenance.py", "what signs generated videos"),
    "jobs/generate/inputs.py": ("jobs/generate/test_verbs.py", "what the commands read"),
    "jobs/generate/result.py": ("jobs/generate/test_verbs.py", "what the commands write"),
    "jobs/generate/verb_args.py": ("jobs/generate/test_verbs.py", WHOLE),
    "jobs/ingest/detector.py": ("jobs/ingest/test_shots.py", "a detector that is not there"),
    "jobs/imports/folders.py": ("jobs/imports/test_readers.py", "folders of every format"),
    "jobs/imports/formats.py": ("jobs/imports/test_readers.py", "formats by name"),
    "jobs/imports/tables.py": ("jobs/imports/test_readers.py", "tables of every format"),
    "jobs/imports/findings.py": ("jobs/imports/test_audit.py", "findings of the command"),
    "jobs/imports/plan.py": ("jobs/imports/test_command.py", WHOLE),
    "jobs/imports/results.py": ("jobs/imports/test_command.py", WHOLE),
    "jobs/ingest/given.py": ("jobs/imports/test_command.py", "clips that are given beforehand"),
    "jobs/ingest/graph.py": ("jobs/ingest/test_command.py", WHOLE),
    "jobs/ingest/summary.py": ("jobs/ingest/test_command.py", WHOLE),
    "jobs/models/check.py": ("jobs/models/test_needs.py", "needs real weights; its models' needs"),
    "jobs/models/command.py": ("jobs/models/test_needs.py", "the command over it"),
    "jobs/publish/describe.py": ("jobs/publish/test_push.py", "card and metadata of a push"),
    "jobs/report/sheet.py": ("jobs/report/test_pictures.py", "sheets of pictures"),
    "jobs/train/batch_sheet.py": ("jobs/train/test_show_batch.py", WHOLE),
    "jobs/train/dit_args.py": ("jobs/train/test_dit.py", WHOLE),
    "jobs/train/dit_progress.py": ("jobs/train/test_dit.py", WHOLE),
    "jobs/train/dit_results.py": ("jobs/train/test_dit.py", WHOLE),
    "jobs/train/dit_setup.py": ("jobs/train/test_dit.py", WHOLE),
    "jobs/train/latent_health.py": ("jobs/train/test_dit_doctor.py", WHOLE),
    "jobs/train/pretrain_captioner.py": ("captioner/train/test_pretrain.py", "the command over it"),
    "jobs/train/run_json.py": ("jobs/train/test_show_batch.py", "what a run says of itself"),
    "jobs/train/vae_args.py": ("jobs/train/test_vae.py", WHOLE),
    "jobs/train/vae_results.py": ("jobs/train/test_vae.py", WHOLE),
    "jobs/edits/command.py": ("jobs/edits/test_journal.py", "the command over it"),
    "jobs/generate/retrieved.py": ("jobs/generate/test_shown.py", "lines about what was found"),
    "jobs/view/box_child.py": ("jobs/view/test_box.py", "the child of the box"),
    "jobs/view/clip.py": ("jobs/view/test_app.py", "everything about one clip"),
    "jobs/view/edits_api.py": ("jobs/view/test_edits.py", "edits made through the page"),
    "jobs/view/facets.py": ("jobs/view/test_app.py", "counts of all and some"),
    "jobs/view/label.py": ("jobs/view/test_steer.py", "queues and their estimate"),
    "jobs/view/query.py": ("jobs/view/test_app.py", "filters and orders"),
    "jobs/search/similar.py": ("jobs/view/test_search.py", "search by text and picture"),
    "jobs/view/stills.py": ("jobs/view/test_app.py", "pictures of frames"),
    "jobs/view/viewer.py": ("jobs/view/test_edits.py", "tables that change while it runs"),
    "jobs/web/paths.py": ("jobs/web/test_app.py", "paths that lead out of a folder"),
    "jobs/web/render.py": ("jobs/web/test_app.py", "templates that escape"),
    "jobs/serve/command.py": ("jobs/serve/test_browser.py", "the command as a user starts it"),
    "jobs/serve/openapi.py": ("jobs/serve/test_app.py", "the description of the API"),
    "jobs/report/status_page.py": ("jobs/report/test_progress.py", "the page and its pictures"),
    "jobs/report/compare.py": ("jobs/report/test_diff.py", "what two runs differ in"),
    "jobs/report/diff_page.py": ("jobs/report/test_diff.py", "the page of a diff"),
    "jobs/trace/lineage.py": ("jobs/trace/test_sightings.py", "lines of a clip"),
    "jobs/trace/rest.py": ("jobs/trace/test_forget.py", WHOLE),
    "jobs/trace/tables.py": ("jobs/trace/test_forget.py", WHOLE),
    "jobs/trace/targets.py": ("jobs/trace/test_forget.py", WHOLE),
    "jobs/core/uses.py": ("jobs/trace/test_sightings.py", "who used a folder"),
    "dit/train/saving.py": ("dit/train/test_kill.py", "a kill at every write"),
    "dit/train/sharded/export.py": ("dit/train/sharded/test_runs.py", "exports of every run"),
    "dit/train/sharded/model.py": ("dit/train/sharded/test_runs.py", "several processes"),
    "dit/train/sharded/restore.py": ("dit/train/sharded/test_runs.py", "runs that go on"),
    "dit/train/sharded/tensors.py": ("dit/train/sharded/test_runs.py", "runs that go on"),
    "jobs/world/judge.py": ("jobs/world/test_film.py", "films are judged"),
}
"""Modules without a test file of their own: the file that tests them, and why that one does."""


def modules() -> list[str]:
    """Source files of the packages, as paths below the root."""
    found = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in found if not path.name.startswith("__"))


def own_test(module: str) -> Path:
    """``pipeline/store/paths.py`` is tested by ``tests/pipeline/store/test_paths.py``."""
    path = ROOT / "tests" / module
    return path.with_name(f"test_{path.name}")


def test_every_module_has_a_test_in_the_same_folder_or_a_reason() -> None:
    missing = [name for name in modules() if not own_test(name).exists() and name not in ELSEWHERE]
    assert missing == [], "write tests/<folder>/test_<module>.py, or name in ELSEWHERE who tests it"


@pytest.mark.parametrize("module", ELSEWHERE)
def test_the_list_of_exceptions_is_not_stale(module: str) -> None:
    test, reason = ELSEWHERE[module]
    assert (ROOT / module).exists(), "the module is gone: take it off the list"
    assert not own_test(module).exists(), "it has a test of its own now: take it off the list"
    assert (ROOT / "tests" / test).exists() and len(reason.split()) >= 2


def test_no_source_file_is_too_long() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in modules()}
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
    assert long == {}, f"more than {MOST_LINES} lines: split them"


def private_names(path: Path) -> set[str]:
    """Private names of the packages that a test file imports, reads from a module, or replaces."""
    tree = ast.parse(path.read_text())
    found, imported = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            names = {alias.name for alias in node.names}
            found |= names
            imported |= {alias.asname or alias.name for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {node.attr} if node.value.id in imported else set()
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr":
            found |= {arg.value for arg in node.args[1:2] if isinstance(arg, ast.Constant)}
    return {str(name) for name in found if str(name).startswith("_") and str(name)[:2] != "__"}


def test_tests_use_what_is_public() -> None:
    """A test of a private name breaks when the code is put in order, and says nothing about what a user sees."""
    folder = ROOT / "tests"
    used = {str(path.relative_to(folder)): private_names(path) for path in folder.rglob("*.py")}
    assert {name: names for name, names in used.items() if names} == PRIVATE


def test_the_files_that_run_first_are_there() -> None:
    """A renamed one would be handed out last, and keep one process busy while the others wait."""
    names = re.findall(r'"([\w/]+/test_\w+)"', (ROOT / "tests" / "conftest.py").read_text())
    assert len(names) > 5
    assert [name for name in names if not (ROOT / "tests" / f"{name}.py").exists()] == []
