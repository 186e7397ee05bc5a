"""Wrong inputs of a stranger: sizes off by one, options that contradict, files of the wrong kind, strange shells."""

from __future__ import annotations

from benchmarks.bad_input_cases.case import Case, case

FILM = "films/film-00.mp4"
RED = "sample --prompt 'A red circle.' --out new"


def numbers() -> list[Case]:
    """Numbers that are out of range by a little, or by all there is."""
    dit = {
        "--decay-share 1.01": ("--decay-share", "1.01"),
        "--condition-share -0.01": ("--condition-share", "-0.01"),
        "--ema-decay 1.0000001": ("--ema-decay", "1.0000001"),
        "--eval-every 0": ("--eval-every", "0"),
        "--keep-checkpoints 0": ("--keep-checkpoints", "0"),
        "--lora-alpha 0": ("--lora-alpha", "0"),
        "--context-parallel 0": ("--context-parallel", "0"),
        "--context-parallel 2": ("--context-parallel", "--workers"),
        "--shift-tokens 0": ("--shift-tokens", "0"),
        "--sample-every -1": ("--sample-every", "-1"),
        "--fsdp-gather fp32": ("fsdp",),
        "--local-frames 0": ("--local-frames", "0"),
        "--seed 9223372036854775808": ("--seed",),
        "--warmup-steps -1": ("--warmup-steps", "-1"),
        "--minutes 1e309": ("--minutes",),
        "--around-share nan": ("--around-share", "nan"),
        "--loss-unit pixel": ("pixel",),
        "--attention sparse": ("sparse",),
        "--new-vae --init embedded --lora-rank 4": ("--new-vae",),
        "--init embedded --depth 3": ("--depth",),
        "--packs-per-step 1 --workers 2": ("--packs-per-step", "2"),
        "--fsdp --workers 2 --compile": ("--fsdp",),
    }
    vae = {
        "--kl -1": ("--kl", "-1"),
        "--gan nan": ("--gan", "nan"),
        "--gan-start 1.1": ("--gan-start", "1.1"),
        "--gan-lr 0": ("--gan-lr", "0"),
        "--max-frames 0": ("--max-frames", "0"),
        "--max-pixels 0": ("--max-pixels", "0"),
        "--fps 0": ("--fps", "0"),
        "--image-share 1.5": ("--image-share", "1.5"),
        "--mse inf": ("--mse", "inf"),
        "--pyramid-levels 0": ("--pyramid-levels", "0"),
        "--latent-noise -0.1": ("--latent-noise", "-0.1"),
        "--optimizer sgd": ("sgd",),
    }
    sample = {
        "--size 64x72": ("64x72",),
        "--size 63x64": ("63x64",),
        "--frames 18": ("--frames", "18"),
        "--seed 9223372036854775808": ("--seed",),
        "--interval 0.2 1.1": ("--interval",),
        "--rescale -0.1": ("--rescale", "-0.1"),
        "--zero-steps -1": ("--zero-steps", "-1"),
        "--shift-tokens 0": ("--shift-tokens", "0"),
        "--skip-blocks -1 --skip-scale 1": ("--skip-blocks", "-1"),
        "--reference-scale nan": ("--reference-scale", "nan"),
        "--retrieved 0": ("--retrieved", "0"),
        "--steps 1e2": ("--steps", "1e2"),
    }
    return [
        *(case(f"train-dit run --out new {text}", *says) for text, says in dit.items()),
        *(case(f"train-vae run --out new {text}", *says) for text, says in vae.items()),
        *(case(f"{RED} {text}", *says) for text, says in sample.items()),
        case("film new --minutes 1e309", "minutes"),
        case(f"shots {FILM} --deadline-s inf", "--deadline-s", "inf"),
        case("encode run --max-frames 0", "--max-frames", "0"),
        case("encode run --max-pixels 255", "--max-pixels", "255"),
        case("encode run --fps nan", "--fps", "nan"),
        case("loop films/film-00.mp4 --size 64x72", "64x72"),
        case("adherence --size 72x64", "72x64"),
        case("train-captioner run --out new --frames 0", "--frames", "0"),
        case("train-captioner run --out new --lora-targets q_proj", "lora"),
        case("curate films --out new --set ingest.crf=true", "crf"),
        case("curate films --out new --set caption.kinds=dense", "kinds"),
        case("curate films --out new --set ingest.max_clip_s=1e309", "max_clip_s"),
    ]


def places() -> list[Case]:
    """Empty names, folders for files and the reverse, pipes, loops of links, places without room or rights."""
    found = []
    for option in ("--dit", "--vae", "--text", "--out", "--size", "--image", "--prompts"):
        found.append(case(("sample", "--prompt", "A red circle.", option, ""), "''"))
    for command, option in (
        ("train-dit run --out new", "--init"),
        ("train-dit run --out new", "--vae"),
        ("train-dit run --out new", "--preset"),
        ("train-vae run --out new", "--heldout"),
        ("train-vae run --out new", "--preset"),
        ("encode run", "--vae"),
        ("encode run", "--text"),
        ("encode run", "--out"),
        ("judge films/film-00.mp4", "--real"),
        ("curate films --out new", "--recipe"),
        ("shots films/film-00.mp4", "--csv"),
        ("export run --for videofolder --out new", "--template"),
        ("diff run run", "--html"),
    ):
        found.append(case((*command.split(), option, ""), option))
    for name in ("films", "words.txt", "pipe.mp4", "loop", "still.png"):
        found += [
            case(f"{RED} --dit {name}", name),
            case(f"{RED} --vae {name}", name),
            case(f"train-dit run --out new --init {name}", name),
            case(f"train-vae run --out new --init {name}", name),
            case(f"encode run --vae {name}", name),
        ]
    for name in ("pipe.mp4", "loop"):
        found += [
            case(f"{RED} --image {name}", name),
            case(f"recipe {name}", name),
            case(f"curate films --out new --recipe {name}", name),
            case(f"export run --for videofolder --out new --template {name}", name),
            case(f"edits run --merge {name}", name),
            case(f"judge {FILM} --prompts {name}", name),
            case(f"{RED} --c2pa-cert {name} --c2pa-key {name}", name),
            case(f"train-captioner run --out new --captions {name}", name),
        ]
    for line in (
        f"shots {FILM} --csv sealed/x.csv",
        f"shots {FILM} --thumbnails sealed/x",
        "inspect run --html sealed/x.html",
        "audit films --json sealed/x.json",
        f"judge {FILM} --out sealed/x.json",
        "diff run run --html sealed/x.html",
        "encode run --out sealed/x",
        "export run --for videofolder --out sealed/x",
        "train-vae run --out sealed/x",
        "train-captioner run --out sealed/x",
        "film sealed/x",
        "animate still.png --out sealed/x.mp4",
    ):
        found.append(case(line, "sealed", user=True))
    return [
        *found,
        case("animate films", "films"),
        case("extend films", "films"),
        case(f"status {FILM}", FILM),
        case(f"view {FILM}", FILM),
        case(f"report {FILM}", FILM),
        case(f"lineage x --run {FILM}", FILM),
        case("serve films", "films"),
        case("train-dit s3:// --out new", "s3://"),
        case("inspect s3://", "s3://"),
        case("status gs://", "gs://"),
        case("encode run --out s3:///x", "s3:///x"),
        case("import s3:// --out new", "s3://"),
        case("export run --for videofolder --out s3://", "s3://"),
        case("expand circle --like s3://", "s3://"),
    ]


def versions() -> list[Case]:
    """Tables of another version or without a column; weights whose config is a stranger's; near misses in TOML."""
    found = [
        case(f"{command.format('run-old')}", "run-old")
        for command in (
            "encode {}",
            "train-captioner {} --out new",
            "captions-report {}",
            "push {} --repo a/b --licence mit --dry-run",
        )
    ]
    found += [
        case("select run-column", "clip_id"),
    ]
    found += [
        case(f"{command.format('run-column')}", "run-column")
        for command in (
            "encode {}",
            "train-vae {} --out new",
            "export {} --for videofolder --out new",
            "train-captioner {} --out new",
        )
    ]
    for name in ("dit-config", "dit-field", "dit-json"):
        found += [
            case(f"{RED} --dit {name}", name),
            case(f"train-dit run --out new --init {name}", name),
            case(f"serve {name}", name),
        ]
    return [
        *found,
        case("curate films --out new --recipe near.toml", "min_clip", "min_clip_s"),
        case("curate films --out new --recipe case.toml", "Ingest", "ingest"),
        case("curate films --out new --recipe twice.toml", "twice.toml"),
        case("curate films --out new --recipe bool.toml", "crf"),
        case("curate films --out new --recipe huge.toml", "crf"),
        case("curate films --out new --recipe list.json", "list.json"),
        case("show-batch dit-json --step 1", "dit-json"),
        case("status cut-json", "cut-json"),
    ]


def fights() -> list[Case]:
    """Options that contradict each other, stand alone without their use, or come twice."""
    return [
        case(f"{RED} --retrieve run --like run", "--like"),
        case(f"{RED} --reference still.png", "--reference"),
        case(f"{RED} --reference nowhere.png", "nowhere.png"),
        case(f"{RED} --reference text.mp4", "--reference"),
        case(f"{RED} --retrieve nowhere", "nowhere"),
        case(f"{RED} --retrieve empty", "empty"),
        case(f"{RED} --expand-url http://127.0.0.1:9/v1", "--expand"),
        case(f"{RED} --expand --expand-url nonsense", "nonsense"),
        case(f"{RED} --c2pa-cert words.txt", "--c2pa-key"),
        case(f"{RED} --c2pa-cert words.txt --c2pa-key words.txt", "words.txt"),
        case(f"shots {FILM} text.mp4 --edl x.edl", "--edl"),
        case("train-dit run --out new --lr", "--lr"),
        case("train-dit run --out new --latents run", "--latents"),
        case("train-dit run run --out new", "run"),
        case("train-vae run --out new --decoder-only --init nowhere", "nowhere"),
        case("curate films --out new --limit 1 --limit 0", "--limit"),
        case("inspect run --top 3 --sort", "--sort"),
        case("status run --json --watch --every 0", "--every"),
        case("recipe demo laptop", "laptop"),
        case("diff run run run", "run"),
    ]


def shells() -> list[Case]:
    """The same in a strange environment: no HOME, a narrow terminal, another language, standard input closed."""
    return [
        case("train-dit run --out new --lr nan", "--lr", "nan", env={"COLUMNS": "20"}),
        case("sample --promt x", "--promt", "--prompt", env={"COLUMNS": "1"}),
        case("curate films --out new --recipe demmo", "demmo", env={"HOME": None}),
        case("sample --prompt x --text ViT-B-32/laion2b_s34b_b79k", "--text", env={"HOME": None}),
        case("inspect nowhere", "nowhere", env={"LANG": "C", "LC_ALL": "C"}),
        case(("inspect", "caf\udce9"), "caf", env={"LANG": "C", "LC_ALL": "C"}),
        case("status run --every 0 --watch", "--every", env={"TERM": "dumb"}),
        case("encode run --vae nowhere", "nowhere", env={"TMPDIR": "nowhere"}),
    ]
