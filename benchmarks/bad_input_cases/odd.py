"""Wrong inputs that no line of a table can hold: odd names and bytes over many commands, strange environments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.bad_input_cases.case import Case, case

FILM = "films/film-00.mp4"
BYTES = "caf\udce9"
"""Text that is not UTF-8, as Python holds what a shell passes on."""
ESCAPED = "caf\\udce9"
"""The same as an answer shows it."""
GRIN = "\U0001f600"
LONG = "x" * 300
"""Longer than a name of a file may be."""
FOR_ALL = {
    "no such thing": "no such thing",
    "two\nlines": "two lines",
    BYTES: ESCAPED,
    LONG: "xxx",
    "loop": "loop",
    "": "",
}
"""Names, and what the answer must say of each: for every command that takes a path."""
FOR_SOME = {
    f"{GRIN} film.mp4": f"{GRIN} film.mp4",
    "broken-link": "broken-link",
    "broken-link/x": "broken-link",
    "words.txt/x": "words.txt",
    "~nobody-at-all": "~nobody-at-all",
    "-": "-",
    "file:///nowhere": "nowhere",
    "C:\\films": "films",
    "a\tb": "a",
}
"""More of them, for a command of each kind."""
ALL = """
    inspect {}; status {}; select {}; caption {}; pack {}; encode {}; report {}; view {}; audit {}; captions-report {};
    verify-resume {}; judge {}; shots {}; edits {}; retry {} --list; extend {}; animate {};
    export {} --for videofolder --out new; import {} --out new; train-dit {} --out new; train-vae {} --out new;
    train-captioner {} --out new; caches {} --for musubi-tuner --out new; push {} --repo a/b --licence mit;
    lineage x --run {}; forget x --run {}; diff {} run; serve {}; show-batch {} --step 1; curate {} --out new
"""
SOME = """
    inspect {}; select {}; encode {}; curate {} --out new --recipe demo; judge {}; shots {}; animate {};
    sample --prompt x --dit {} --out new
"""


def put(name: str, command: str) -> tuple[str, ...]:
    """The words of a command, with ``name`` as the word in place of ``{}``."""
    return tuple(name if word == "{}" else word for word in command.split())


def names() -> list[Case]:
    """Names that hold spaces, line ends, dashes, bytes, emoji; links in a circle, links to nothing."""
    return [*_crossed(ALL.split(";"), FOR_ALL), *_crossed(SOME.split(";"), FOR_SOME)]


def _crossed(commands: Iterable[str], names: Mapping[str, str]) -> list[Case]:
    return [case(put(name, each), told) for each in commands for name, told in names.items()]


def texts() -> list[Case]:
    """Prompts, ids and settings that are not UTF-8, hold control characters, or are far too long."""
    verbs = ("animate still.png", f"extend {FILM}", f"loop {FILM}", f"connect {FILM} {FILM}")
    verbs += (f"edit {FILM}", f"inpaint {FILM} --region 0,0,8x8", f"judge {FILM}")
    sample = "sample --prompt {} --out new"
    return [
        *(case(put(BYTES, f"{verb} --prompt {{}}"), ESCAPED) for verb in verbs),
        case(put(BYTES, "train-captioner run --out new --prompt {}"), ESCAPED),
        case(put(BYTES, "expand {}"), ESCAPED),
        case(put(f"A {BYTES} circle.", sample), ESCAPED),
        case(put(f"{BYTES}.mp4", "curate {} --out new"), f"{ESCAPED}.mp4"),
        case(put(BYTES + "/\x01", "curate films --out {}"), "caf"),
        case(put(f"caption.model={BYTES}", "curate films --out new --set {}"), "caf"),
        case(put(BYTES, "forget {} --run run --dry-run"), "caf"),
        case(put(BYTES, "lineage {} --run run"), "caf"),
        case(put("nothing\nat all", "forget {} --run run"), "nothing"),
        case(put(f"{GRIN}.x=1", "curate films --out new --recipe demo --set {}"), GRIN),
        case(put("a\x00b", sample), "--prompt"),
        case(put("a\x00b", "expand {}"), "prompt", "control"),
        case(put("a " * 50_000, sample), "--prompt"),
        case(put("a " * 50_000, "expand {}"), "prompt"),
    ]


def shells() -> list[Case]:
    """The same in a strange environment: no HOME, a narrow terminal, another language, no temporary folder."""
    plain = {"LANG": "C", "LC_ALL": "C"}
    return [
        case("train-dit run --out new --lr nan", "--lr", "nan", env={"COLUMNS": "20"}),
        case("sample --promt x", "--promt", "--prompt", env={"COLUMNS": "1"}),
        case("curate films --out new --recipe demmo", "demmo", env={"HOME": None}),
        case("sample --prompt x --text ViT-B-32/laion2b_s34b_b79k", "--text", env={"HOME": None}),
        case("inspect nowhere", "nowhere", env=plain),
        case(("inspect", BYTES), "caf", env=plain),
        case("status run --every 0 --watch", "--every", env={"TERM": "dumb"}),
        case("encode run --vae nowhere", "nowhere", env={"TMPDIR": "nowhere"}),
    ]
