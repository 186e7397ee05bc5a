"""Wrong inputs by their kind, for all that take such a thing: odd names, links, rights, recipes of wrong shape."""

from __future__ import annotations

from benchmarks.bad_input_cases.case import Case, case

FILM = "films/film-00.mp4"
TAKES_RUN = (
    "inspect {}",
    "status {}",
    "select {}",
    "caption {}",
    "pack {}",
    "encode {}",
    "report {}",
    "view {}",
    "captions-report {}",
    "edits {}",
    "push {} --repo a/b --licence mit --dry-run",
    "export {} --for videofolder --out new",
    "train-dit {} --out new",
    "train-vae {} --out new",
    "train-captioner {} --out new",
    "lineage x --run {}",
    "forget x --run {}",
    "diff {} run",
)
"""Commands that read a run folder or shards."""


def recipes() -> list[Case]:
    """Recipes of the wrong shape, with unknown keys at depth; ``--set`` that sets nothing, or twice."""
    files = {
        "deep.toml": ("keeep", "keep"),
        "nested.toml": ("crf",),
        "list-section.toml": ("ingest",),
        "dup-section.toml": ("dup-section.toml",),
        "null.toml": ("null.toml",),
        "bom.toml": ("bom.toml",),
        "date.toml": ("crf",),
        "top.toml": ("crf",),
        "empty-list.toml": ("kinds",),
        "mixed-list.toml": ("kinds",),
        "nan-deep.toml": ("keep",),
        "negative-zero.toml": ("min_clip_s",),
        "int-for-text.toml": ("codec",),
        "emoji.toml": ("\U0001f600",),
        "sub": ("sub",),
        "text.mp4": ("text.mp4",),
        "binary.safetensors": ("binary.safetensors",),
    }
    sets = {
        "ingest": ("'='",),
        "": ("--set",),
        "=": ("--set",),
        "ingest.=3": ("ingest",),
        ".crf=3": ("--set",),
        "ingest..crf=3": ("crf",),
        "ingest.crf=[": ("crf",),
        "ingest.crf={": ("crf",),
        "ingest.min_clip_s=-0.0": ("min_clip_s",),
        "ingest.crf=1e1": ("crf",),
        "ingest.codec=": ("codec",),
        "ingest.codec=3": ("codec",),
        "ingest.shot_detector=": ("shot_detector",),
        "ingest.scorers=flow": ("scorers",),
        "select.where.x=": ("x",),
        "select.where.x=1": ("x",),
        "select.where=3": ("where",),
        "select.best.x.by=blur": ("keep",),
        "select.best.x=3": ("x",),
        "select.balance.x=3": ("x",),
        "caption.kinds=[1]": ("kinds",),
        'caption.kinds=["dense","dense"]': ("dense",),
        "caption.prompts=3": ("prompts",),
        "caption.prompts.poem=x": ("poem",),
        "caption.language=": ("language",),
        "openclip.model=": ("model",),
        "caption.model=": ("model",),
        "encode.vae=": ("vae",),
        "mix.poem=1": ("poem",),
        "pack.writer=": ("writer",),
        "\U0001f600.x=1": ("\U0001f600",),
    }
    return [
        *(case(f"curate films --out new --recipe {name}", *says) for name, says in files.items()),
        *(
            case(("curate", "films", "--out", "new", "--recipe", "demo", "--set", text), *says)
            for text, says in sets.items()
        ),
        case("curate films --out new --set", "--set"),
        case("curate films films --out new --recipe demmo", "demmo"),
        case("recipe deep.toml", "keeep", "keep"),
        case("recipe sub", "sub"),
        case("recipe --keys ''", "''"),
        case("models list --recipe deep.toml", "keeep"),
    ]


def names() -> list[Case]:
    """Names with emoji, spaces and line ends; broken links; folders and files in each other's place."""
    found = []
    for name, told in (
        ("\U0001f600 film.mp4", "\U0001f600 film.mp4"),
        ("broken-link", "broken-link"),
        ("broken-link/x", "broken-link"),
        ("words.txt/x", "words.txt"),
        ("~nobody-at-all", "~nobody-at-all"),
        ("-", "-"),
        ("file:///nowhere", "nowhere"),
        ("C:\\films", "films"),
        ("a\tb", "a"),
    ):
        for command in ("inspect {}", "select {}", "encode {}"):
            words = command.split()
            found.append(case(tuple(name if word == "{}" else word for word in words), told))
        found += [
            case(("curate", name, "--out", "new", "--recipe", "demo"), told),
            case(("judge", name), told),
            case(("shots", name), told),
            case(("animate", name), told),
            case(("sample", "--prompt", "x", "--dit", name, "--out", "new"), told),
        ]
    for out in ("broken-link", "loop", "pipe.mp4", "words.txt/x", "films/film-00.mp4"):
        for command in (
            "curate films --recipe demo --out",
            "film",
            "world",
            "train-vae run --out",
            "train-dit run --out",
            "reward-dit --out",
            "sample --prompt x --out",
            "export run --for videofolder --out",
            "demo --out",
        ):
            found.append(case((*command.split(), out), out.split("/")[-1 if "film" in out else 0]))
    return found


def tables() -> list[Case]:
    """Tables that are folders, and tables that nobody may read."""
    found = [case(command.format("run-folders"), "run-folders") for command in TAKES_RUN]
    found += [case(command.format("run-sealed"), "run-sealed", user=True) for command in TAKES_RUN]
    return found


def writing() -> list[Case]:
    """Results over inputs, into inputs, into folders without rights, and where a run of another kind is."""
    return [
        case("curate films --out dit --recipe demo", "dit"),
        case("curate films --out vae --recipe demo", "vae"),
        case("curate run --out run --recipe demo", "run"),
        case("curate run/clips --out run --recipe demo", "run"),
        case("ingest films --out dit", "dit"),
        case("ingest films/film-00.mp4 --out films", "films"),
        case("inspect run --html run", "run"),
        case("inspect run --html ''", "''"),
        case(f"shots {FILM} --json {FILM}", FILM),
        case(f"shots {FILM} --csv {FILM}", FILM),
        case(f"shots {FILM} --json sealed/x --csv sealed/y", "sealed", user=True),
        case(f"shots {FILM} --thumbnails films/film-00.mp4", FILM),
        case(f"judge {FILM} --out {FILM}", FILM),
        case("sample --prompt x --image still.png --out still.png", "still.png"),
        case("encode run --out run", "run"),
        case("encode run --out dit", "dit"),
        case("export run --for videofolder --out films", "films"),
        case("train-clip --out run", "run"),
        case("pretrain-captioner --out run", "run"),
        case("train-captioner run --out run", "run"),
        case("adherence --out sealed/x", "sealed", user=True),
        case("demo --out sealed/x", "sealed", user=True),
    ]


def shapes() -> list[Case]:
    """All of them."""
    return [*recipes(), *names(), *tables(), *writing()]
