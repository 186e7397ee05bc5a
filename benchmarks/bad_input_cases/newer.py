"""Wrong inputs of the commands that exchange, view, trace and serve, and of the verbs of the sampler."""

from __future__ import annotations

from benchmarks.bad_input_cases.case import Case, case

VIDEO = "films/film-00.mp4"


def exchange() -> list[Case]:
    """export, import, audit, edits, view, diff, lineage, forget, serve."""
    return [
        case("export run --out new", "--for"),
        case("export run --for nobody --out new", "nobody"),
        case("export nowhere --for videofolder --out new", "nowhere"),
        case("export empty --for videofolder --out new", "empty"),
        case("export run --for videofolder --out words.txt", "words.txt"),
        case("import nowhere --out new", "nowhere"),
        case("import empty --out new", "empty"),
        case("import words.txt --out words.txt", "words.txt"),
        case("audit nowhere", "nowhere"),
        case("audit empty", "empty"),
        case("plan --preset nothing", "nothing"),
        case("plan --tokens-per-pack 0", "--tokens-per-pack", "0"),
        case("plan --frames nan", "--frames", "nan"),
        case("plan --epochs nan", "--epochs", "nan"),
        case("edits nowhere", "nowhere"),
        case("edits run --merge nowhere", "nowhere"),
        case("edits run --undo nothing", "nothing"),
        case("view nowhere", "nowhere"),
        case("view empty", "empty"),
        case("view run --port -1", "--port", "-1"),
        case("view run --port 99999", "--port", "99999"),
        case("diff nowhere run", "nowhere"),
        case("diff run", "run"),
        case("diff run empty", "empty"),
        case("caches nowhere --for musubi-tuner --out new", "nowhere"),
        case("caches words.txt --for musubi-tuner --out new", "words.txt"),
        case("push nowhere --repo a/b --licence mit", "nowhere"),
        case("push words.txt --repo a/b --licence mit", "words.txt"),
        case("lineage nothing --run run", "nothing"),
        case("lineage x --run nowhere", "nowhere"),
        case("forget nothing --run run", "nothing"),
        case("forget x --run nowhere", "nowhere"),
        case("forget --run run", "run"),
        case("serve nowhere", "nowhere"),
        case("serve dit --port -1", "--port", "-1"),
        case("serve dit-cut", "dit-cut"),
    ]


def verbs() -> list[Case]:
    """animate, extend, loop, connect, edit, inpaint."""
    return [
        case("animate nowhere.png", "nowhere.png"),
        case("animate picture.png", "picture.png"),
        case("extend nowhere.mp4", "nowhere.mp4"),
        case("extend text.mp4 --seconds 1", "text.mp4"),
        case(f"extend {VIDEO} --seconds -1", "--seconds", "-1"),
        case(f"extend {VIDEO} --seconds nan", "--seconds", "nan"),
        case(f"loop {VIDEO} --size big", "big"),
        case(f"connect {VIDEO}", "video that comes last"),
        case(f"connect {VIDEO} nowhere.mp4", "nowhere.mp4"),
        case(f"edit {VIDEO} --strength 2", "--strength", "2"),
        case(f"edit {VIDEO} --strength nan", "--strength", "nan"),
        case(f"inpaint {VIDEO}", "--region"),
        case(f"inpaint {VIDEO} --region four", "four"),
        case(f"inpaint {VIDEO} --span 3-2", "3-2"),
    ]
