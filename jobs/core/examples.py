"""Examples that ``filmstock COMMAND --help`` ends with."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "film": ("film raw --minutes 3",),
    "world": ("world synthetic --clips 2000 --sizes 64x64,80x48",),
    "models list": ("models list --recipe laptop",),
    "models get": ("models get --recipe laptop",),
    "models check": ("models check --recipe laptop --hours 10",),
    "recipe": (
        "recipe laptop",
        "recipe --keys ingest",
        "recipe runs/set > mine.toml",
    ),
    "curate": (
        "curate raw --out runs/set --dry-run",
        "curate raw --out runs/try --limit 20",
        "curate raw --out runs/set --recipe laptop --set ingest.max_clip_s=6",
    ),
    "ingest": ("ingest raw more.mp4 list.txt --out runs/set --recipe laptop",),
    "retry": ("retry runs/set --list", "retry runs/set --only timeout --set ingest.deadline_s=600"),
    "select": (
        "select runs/set --what-if 'motion_mean > 0.01'",
        "select runs/set --set 'select.where.static=\"motion_mean > 0.01\"'",
    ),
    "caption": (
        "caption runs/set",
        'caption runs/set --set \'caption.kinds=["short", "dense", "structured"]\'',
    ),
    "pack": ("pack runs/set",),
    "encode": (
        "encode runs/set",
        "encode runs/set --max-pixels 36864 --max-frames 33 --fps 8",
        "encode runs/set --vae runs/vae --out runs/latents",
    ),
    "train-captioner": ("train-captioner runs/set --kind dense --out runs/captioner",),
    "train-vae": ("train-vae runs/set --out runs/vae --steps 2000",),
    "train-dit": (
        "train-dit runs/set --out runs/dit --dry-run",
        "train-dit runs/set --out runs/dit --steps 5000 --log-every 50",
        "train-dit runs/set --out runs/dit --init embedded --minutes 30",
    ),
    "reward-dit": (
        "reward-dit --out runs/rewarded --steps 60",
        "reward-dit --out runs/rewarded --reward strict 0.7 fluency 0.3 --size 64x64 80x48",
        "reward-dit --out runs/rewarded --init runs/dit --prompts prompts.txt --reward relevance 1",
    ),
    "expand": ("expand 'a red circle moves right'",),
    "sample": (
        "sample --prompt 'A red circle moves to the right.' --out samples",
        "sample --prompts prompts.txt --dit runs/dit --size 80x48 --frames 33 --seed 7",
    ),
    "adherence": ("adherence --prompts 50 --dit runs/dit --out runs/adherence",),
    "inspect": (
        "inspect runs/set",
        "inspect runs/set --where 'motion_mean > 0.1' --sort blur --top 10",
        "inspect runs/set --html clips.html",
    ),
    "status": ("status runs/set",),
    "report": ("report runs/set",),
    "captions-report": ("captions-report runs/set",),
    "shots": (
        "shots film.mp4 --csv shots.csv",
        "shots film.mp4 --edl shots.edl --thumbnails shots",
    ),
    "show-batch": ("show-batch runs/dit --step 250",),
    "verify-resume": ("verify-resume runs/set",),
    "demo": ("demo",),
    "train-clip": ("train-clip --out runs/clip",),
    "pretrain-captioner": ("pretrain-captioner --out runs/captioner",),
    "import": (
        "import clips --out runs/set",
        "import table.csv --videos clips --column dense=long_caption --out runs/set",
    ),
    "audit": ("audit clips", "audit table.csv --videos clips --json findings.jsonl"),
    "export": (
        "export runs/set --for diffusion-pipe --model wan2.1-14b --out export",
        "export runs/set --for videofolder --out export --check",
    ),
    "push": (
        "push runs/set --repo me/my-clips --licence cc-by-4.0 --dry-run",
        "push runs/set --repo me/my-clips --licence cc-by-4.0 --public",
    ),
    "caches": ("caches runs/latents --for musubi-tuner --out caches",),
    "plan": (
        "plan --preset 1.3B --size 832x480 --frames 81 --clips 1000000 --gpus 8",
        "plan --preset XL --size 256x256 --frames 33 --gpu A100 --gpu-hour 1.5 2.5",
    ),
    "animate": (
        "animate picture.png --prompt 'A red circle moves to the right.' --out moving.mp4",
    ),
    "extend": (
        "extend film.mp4 --seconds 4 --out longer.mp4",
        "extend film.mp4 --seconds 2 --backward --out earlier.mp4",
    ),
    "loop": ("loop film.mp4 --out endless.mp4",),
    "connect": ("connect first.mp4 second.mp4 --frames 15 --out both.mp4",),
    "edit": ("edit film.mp4 --prompt 'A blue circle.' --strength 0.6 --out blue.mp4",),
    "inpaint": (
        "inpaint film.mp4 --region 16,16,32x32 --out mended.mp4",
        "inpaint film.mp4 --span 0.5-1.5 --prompt 'A red circle stops.' --out mended.mp4",
    ),
    "serve": ("serve runs/dit", "serve runs/dit --port 9000 --out served"),
    "view": ("view runs/set", "view runs/set --port 9000 --who anna --open"),
    "edits": ("edits runs/set", "edits runs/set --merge others/set"),
    "diff": (
        "diff runs/before runs/after",
        "diff laptop mine.toml --on runs/set --html diff.html",
    ),
    "lineage": ("lineage 3f2a --run runs/set",),
    "forget": (
        "forget film.mp4 --run runs/set --dry-run",
        "forget film.mp4 --run runs/set --trained runs/dit",
    ),
    "judge": (
        "judge samples",
        "judge film.mp4 --prompt 'A red circle moves to the right.'",
    ),
}
"""Command -> command lines, without ``filmstock``."""


def examples_text(command: str) -> str:
    """The end of a command's help; empty where there is no example."""
    lines = EXAMPLES.get(command, ())
    if not lines:
        return ""
    return "\n".join(["examples:", *(f"  filmstock {line}" for line in lines), ""])
