"""The table of commands, in the order of the data flow; nothing of them is imported here."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One line of the table: where the command lives and what it does."""

    target: str
    """``module:function``; the function takes the arguments after the command and returns an exit code."""
    usage: str
    """Its arguments, as shown in the help."""
    about: str
    """What it does, in a few words."""


GROUPS: dict[str, dict[str, Command]] = {
    "make footage to try it on": {
        "film": Command(
            "jobs.world.film:main",
            "OUT",
            "shoot raw videos of the synthetic world, with exact truth",
        ),
        "world": Command(
            "jobs.world.shards:main", "OUT", "render training shards of the synthetic world"
        ),
    },
    "raw footage -> shards": {
        "models": Command(
            "jobs.models.command:main",
            "list|get|check",
            "published models of a recipe: fetch them, try them out",
        ),
        "recipe": Command(
            "jobs.report.recipe:main",
            "[NAME|FILE|DIR] [--keys]",
            "a recipe in full, or what every key means",
        ),
        "curate": Command(
            "jobs.curation:main", "SRC... --out DIR", "ingest, select, caption and pack in one go"
        ),
        "ingest": Command(
            "jobs.ingest.command:main", "SRC... --out DIR", "split into clips, score them"
        ),
        "import": Command(
            "jobs.imports.command:main",
            "SRC --out DIR",
            "somebody's dataset of clips: folder, table, trainer's",
        ),
        "audit": Command(
            "jobs.imports.audit:main",
            "FOLDER",
            "faults of a training set and their fixes; changes nothing",
        ),
        "retry": Command(
            "jobs.ingest.retry:main",
            "DIR --only TYPE",
            "ingest one class of quarantined sources again",
        ),
        "select": Command(
            "jobs.select.command:main", "DIR", "keep or reject clips by their scores; no decoding"
        ),
        "caption": Command("jobs.caption.command:main", "DIR", "describe the kept clips"),
        "pack": Command("jobs.shards.pack:main", "DIR", "write training shards"),
        "export": Command(
            "jobs.export.command:main",
            "DIR --for TRAINER --out OUT",
            "shards as another trainer reads them; --check: what it drops",
        ),
        "push": Command(
            "jobs.publish.push:main",
            "DIR --repo NAME --licence L",
            "publish shards as a dataset on the Hugging Face hub",
        ),
        "train-captioner": Command(
            "jobs.train.captioner:main",
            "DIR --kind KIND",
            "fine-tune a captioner on captions of one kind",
        ),
    },
    "shards -> generated video": {
        "train-vae": Command("jobs.train.vae:main", "SHARDS --out DIR", "train the video VAE"),
        "encode": Command(
            "jobs.shards.encode:main", "DIR", "encode shards to latents and text features"
        ),
        "caches": Command(
            "jobs.shards.caches:main",
            "DIR --for TRAINER --out DIR2",
            "latents as the caches of another trainer",
        ),
        "train-dit": Command(
            "jobs.train.dit:main", "LATENTS --out DIR", "train the diffusion transformer"
        ),
        "reward-dit": Command(
            "jobs.reward.command:main",
            "--out DIR",
            "fine-tune the transformer by reward, on videos it draws",
        ),
        "plan": Command(
            "jobs.train.plan:main",
            "--preset P --clips N --gpus N",
            "memory, speed, days, disk and money of a training",
        ),
        "expand": Command(
            "jobs.generate.expand:main",
            "PROMPT...",
            "short prompts to captions like those trained on",
        ),
        "sample": Command("jobs.generate.sample:main", "--prompt TEXT", "generate videos"),
        "animate": Command("jobs.generate.verbs:animate", "PICTURE", "a video that begins with it"),
        "extend": Command(
            "jobs.generate.verbs:extend",
            "VIDEO",
            "go on with a video, or --backward: begin earlier",
        ),
        "loop": Command("jobs.generate.verbs:loop", "VIDEO", "lead its end back to its start"),
        "connect": Command(
            "jobs.generate.verbs:connect", "VIDEO VIDEO", "lead from one video over to another"
        ),
        "edit": Command(
            "jobs.generate.verbs:edit", "VIDEO --strength S", "make it anew by another prompt"
        ),
        "inpaint": Command(
            "jobs.generate.verbs:inpaint",
            "VIDEO --region X,Y,WxH",
            "make a region or a span of it anew",
        ),
        "serve": Command(
            "jobs.serve.command:main",
            "CKPT",
            "sample in the browser or by HTTP: queue, progress, gallery",
        ),
    },
    "look at results": {
        "inspect": Command(
            "jobs.report.inspect:main",
            "DIR|FILE",
            "rows, hours, scores, captions; --html for pictures",
        ),
        "view": Command(
            "jobs.view.command:main",
            "DIR",
            "clips in the browser: filter, search, what-if, correct",
        ),
        "edits": Command(
            "jobs.edits.command:main", "DIR", "what people decided by hand; merge another person's"
        ),
        "status": Command(
            "jobs.report.status:main", "DIR", "what is done, stale or missing, and what to run next"
        ),
        "report": Command(
            "jobs.report.page:main", "DIR", "report.html of a run: funnel, scores, cuts, failures"
        ),
        "captions-report": Command(
            "jobs.report.captions:main",
            "DIR",
            "audit of captions: lengths, openings, worst grounded",
        ),
        "shots": Command(
            "jobs.ingest.shots:main",
            "VIDEO... --json OUT",
            "where shots start; cuts nothing, needs no run",
        ),
        "show-batch": Command(
            "jobs.train.show_batch:main",
            "RUN --step N",
            "what a training step saw, as a contact sheet",
        ),
        "verify-resume": Command(
            "jobs.train.verify_resume:main",
            "DIR",
            "prints the order hash for several world sizes and resumes",
        ),
        "diff": Command(
            "jobs.report.diff:main",
            "A B",
            "two runs, recipes, captioners: what entered, left, changed",
        ),
        "lineage": Command(
            "jobs.trace.lineage:main",
            "CLIP --run DIR",
            "where a clip came from, and where it went",
        ),
        "forget": Command(
            "jobs.trace.forget:main",
            "SOURCE|CLIP... --run DIR",
            "take a work and all that came of it out, for good",
        ),
        "judge": Command(
            "jobs.generate.judge:main",
            "DIR|VIDEO...",
            "coherence, fluency, relevance and diversity of any videos",
        ),
        "adherence": Command(
            "jobs.generate.adherence:main",
            "",
            "generate unseen scenes and judge them against their captions",
        ),
        "demo": Command(
            "jobs.demo:main", "", "all of the above on a few minutes of synthetic footage"
        ),
    },
    "rebuild the embedded models": {
        "train-clip": Command(
            "jobs.train.clip:main", "", "train the small CLIP on the synthetic world"
        ),
        "pretrain-captioner": Command(
            "jobs.train.pretrain_captioner:main",
            "",
            "train the small captioner on the synthetic world",
        ),
    },
}
"""Every command, grouped and ordered as the data flows."""

COMMANDS: dict[str, Command] = {
    name: command for group in GROUPS.values() for name, command in group.items()
}
