"""Wrong inputs of the commands that look at results, and of the command line itself."""

from __future__ import annotations

from benchmarks.bad_input_cases.case import Case, case


def looking() -> list[Case]:
    """inspect, status, report, captions-report, shots, recipe."""
    return [
        case("inspect", "PATH"),
        case("inspect nowhere", "nowhere"),
        case("inspect empty", "empty"),
        case("inspect words.txt", "words.txt"),
        case("inspect films", "films"),
        case("inspect run-cut", "run-cut"),
        case("inspect run-magic", "run-magic"),
        case("inspect broken-run", "part-00000.parquet"),
        case("inspect run --captions -1", "--captions", "-1"),
        case("inspect run --html words.txt/x.html", "words.txt"),
        case("inspect run --html empty", "empty"),
        case("inspect run --html new.html --clips 0", "--clips", "0"),
        case("inspect run --html new.html --frames 0", "--frames", "0"),
        case("inspect run --html new.html --frames 99", "--frames", "99"),
        case("inspect run --where 'nope > 1'", "nope"),
        case("inspect run --where 'blur >'", "blur >"),
        case("inspect run --where '1; drop table x'", "drop table"),
        case("inspect run --where ''", "--where"),
        case("inspect run --sort nope", "nope"),
        case("inspect run --sort blur --top 0", "--top", "0"),
        case("inspect run --sort blur --top -1", "--top", "-1"),
        case("inspect run --sort ''", "--sort"),
        case("inspect secret", "secret", user=True),
        case("inspect ftp://host/run", "ftp"),
        case("status nowhere", "nowhere"),
        case("status empty", "empty"),
        case("status words.txt", "words.txt"),
        case("status films", "films"),
        case("report nowhere", "nowhere"),
        case("report empty", "empty"),
        case("report dit", "dit"),
        case("report words.txt", "words.txt"),
        case("report broken-run", "part-00000.parquet"),
        case("captions-report nowhere", "nowhere"),
        case("captions-report made", "made"),
        case("captions-report dit", "dit"),
        case("shots", "video"),
        case("shots nowhere.mp4", "nowhere.mp4"),
        case("shots films", "films"),
        case("shots text.mp4 --deadline-s -1", "--deadline-s", "-1"),
        case("shots text.mp4 --deadline-s nan", "--deadline-s", "nan"),
        case("shots text.mp4 --deadline-s 0", "--deadline-s", "0"),
        case("shots text.mp4 --detector magic", "magic"),
        case("shots text.mp4 --json empty", "empty"),
        case("shots text.mp4 --json nowhere/x.json", "nowhere"),
        case("shots text.mp4 --csv nowhere/x.csv", "nowhere"),
        case("shots text.mp4 --edl words.txt/x.edl", "words.txt"),
        case("shots text.mp4 --thumbnails words.txt", "words.txt"),
        case("shots text.mp4 text.mp4", "twice"),
        case("shots text.mp4 --json sealed/x.json", "sealed", user=True),
        case("recipe demmo", "demmo"),
        case("recipe bad.toml", "bad.toml"),
        case("recipe --keys ingets", "ingets"),
    ]


def command_line() -> list[Case]:
    """Wrong words before and after a command."""
    return [
        case("cuarte films", "cuarte", "curate"),
        case("--verbose", "--verbose"),
        case("help nothing", "nothing"),
        case("select run --recpie x", "--recpie"),
        case("sample --prompt a --size", "--size"),
        case("train-dit run --out new --steps many", "--steps", "many"),
        case("inspect run more words", "more"),
        case("", "command"),
    ]
