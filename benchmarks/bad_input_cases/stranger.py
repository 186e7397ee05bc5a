"""Wrong inputs of a stranger who reads the helps and means no good: combinations, and things in each other's place."""

from __future__ import annotations

from benchmarks.bad_input_cases.case import Case, case

FILM = "films/film-00.mp4"


def footage() -> list[Case]:
    """curate, ingest, retry, import, audit, shots, film, world, models, recipe."""
    return [
        case("curate run --out run", "run"),
        case("curate run/shards --out run", "run"),
        case("ingest . --out new", "new"),
        case("curate . --out ./new --dry-run", "new"),
        case(f"curate {FILM} --out films --recipe demo", "films"),
        case("curate films --out new --recipe demo --limit 1e3", "--limit", "1e3"),
        case("curate films --out new --recipe demo --limit 99999999999999999999999999x", "--limit"),
        case(
            "curate films --out new --recipe demo --set 'select.where.x=\"motion_mean >\"'",
            "motion",
        ),
        case("curate films --out new --recipe demo --set ingest.min_clip_s=9", "min_clip_s"),
        case("curate films --out new --recipe demo --set pack.writer=nowhere:Writer", "nowhere"),
        case("curate films --out run/shards --recipe demo", "shards"),
        case("curate films --out run/manifest --recipe demo", "manifest"),
        case("retry run --only", "--only"),
        case("retry run --only timeout --set ingest.crf=30", "--only"),
        case("retry films --list", "films"),
        case("import films --out run", "run"),
        case("import videos.csv --out new --from webdataset", "videos.csv"),
        case("import films --out new --columns caption=a", "--columns"),
        case("import run --out run/imported", "run"),
        case("audit films --max-words 0 --json films", "films"),
        case(f"audit films --json {FILM}", "film-00"),
        case(f"shots {FILM} --csv a.txt --edl a.txt", "a.txt"),
        case(f"shots {FILM} --json new/a.json --thumbnails {FILM}", "new/a.json"),
        case(f"shots {FILM} {FILM} --json -", "-"),
        case("film run --minutes 1", "run"),
        case("world run --clips 4", "run"),
        case("world new --clips 4 --sizes 33x33", "33x33"),
        case("models get --recipe nowhere", "nowhere"),
        case("models remove", "remove"),
        case("recipe --keys=yes", "--keys"),
    ]


def looking() -> list[Case]:
    """inspect, view, status, diff, lineage, forget, export, push, edits."""
    return [
        case("inspect run --sort motion_mean --top 0", "--top"),
        case("inspect run --sort nothing --top 3", "nothing"),
        case("inspect run --where 'select 1'", "select"),
        case(
            "inspect run --where \"clip_id = (select max(clip_id) from read_text('words.txt'))\"",
            "",
        ),
        case("inspect run --where '1=1; drop table clips'", ";"),
        case("inspect run --html run/manifest/x/y.html", "manifest"),
        case(f"inspect {FILM} --html {FILM}", "film-00"),
        case("view run --port 65536", "65536"),
        case("status run dit", "dit"),
        case("diff run films", "films"),
        case("lineage x --run dit", "'x'"),
        case("forget nothing.mp4 --run run", "nothing.mp4"),
        case("forget '*' --run run", "*"),
        case("export run --for videofolder --out run/shards", "shards"),
        case("push run --repo a --licence mit --dry-run", "a"),
        case("edits run --clip x --start 1", "x"),
        case("edits run --clip '' --start 1", "--clip"),
        case("edits run --start 4", "--clip"),
        case("report films", "films"),
        case("show-batch dit --step 1 --out run", "run"),
        case("verify-resume films", "films"),
    ]


def generating() -> list[Case]:
    """Trainers, sample, its verbs, judge, serve, plan."""
    return [
        case("train-vae run --out run/vae --steps 1.5", "--steps"),
        case("train-vae run --out new --heldout films --steps 2", "films"),
        case("train-vae films --out new --steps 2", "films"),
        case("train-vae run --out dit --steps 2", "dit"),
        case("train-dit run --out vae --steps 2", "vae"),
        case("train-dit run --out run/latents --steps 2", "latents"),
        case("train-dit films --out new --steps 2", "films"),
        case("train-dit run --out new --steps 2 --init vae", "vae"),
        case("train-dit run --out new --steps 2 --workers 0", "--workers"),
        case("train-vae run --out new --steps 2 --init dit/dit.safetensors", "dit"),
        case("encode run --vae run", "run"),
        case("sample --prompt x --dit vae", "vae"),
        case("sample --prompt x --vae dit", "dit"),
        case("sample --prompt x --out run", "run"),
        case("sample --prompt x --size 64", "64"),
        case("sample --prompt x --size 64x", "64x"),
        case("sample --prompt x --size -64x64", "-64x64"),
        case("sample --prompt x --frames 18", "18"),
        case("sample --prompt x --seed -1", "--seed"),
        case("sample --prompt x --seed 99999999999999999999999999", "--seed"),
        case(f"sample --prompt x --image {FILM}", "film-00"),
        case("sample --prompt x --reference words.txt", "--reference"),
        case("sample --prompt x --prompts films", "films"),
        case("sample --prompt x --weights int4", "int4"),
        case("sample --prompt x --retrieve films", "films"),
        case("sample x", "x"),
        case("animate still.png --frames 2", "2"),
        case(f"extend {FILM} --seconds nan --backward", "--seconds"),
        case(f"connect {FILM} words.txt", "words.txt"),
        case(f"loop {FILM} --frames 4", "4"),
        case(f"edit {FILM} --strength 1.5 --prompt x", "--strength"),
        case(f"inpaint {FILM} --region 0,0,16x16 --mask still.png", "--mask"),
        case(f"inpaint {FILM} --region 9999,0,16x16", "9999"),
        case(f"inpaint {FILM} --span 2-1", "2-1"),
        case(f"inpaint {FILM} --span 90-91", "90"),
        case(f"judge {FILM} --prompt x --out {FILM}", "film-00"),
        case("judge still.png", "still.png"),
        case("judge films films/film-00.mp4 --prompt '' --prompts words.txt", "--prompt"),
        case("serve run", "run"),
        case("serve embedded --port abc", "abc"),
        case("plan --preset giant", "giant"),
        case("expand x --like films", "films"),
        case("adherence --prompts 2 --out run", "run"),
        case("train-captioner run --out run --steps 2", "run"),
        case("train-clip --out run --steps 2", "run"),
        case("demo --out run", "run"),
        case("demo extra", "extra"),
    ]
