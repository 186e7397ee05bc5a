"""Small parts written here beside the libraries that do the same: accuracy, processor time, what an import costs.

    pip install tomli-w sqlglot bm25s snowballstemmer lingua-language-detector py3langid
    OMP_NUM_THREADS=1 python -m benchmarks.libraries [imports toml bm25 stem language bounds flow camera progress web]

docs/decisions/ holds the figures, and what was decided by them.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def spent(function: Callable[[], Any], rounds: int = 3) -> float:
    """Least processor seconds of a few calls."""
    took = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        took.append(time.process_time() - start)
    return min(took)


def imports() -> None:
    """Milliseconds of a fresh interpreter."""
    for name in (
        "tomli_w", "rich.progress", "sqlglot", "bm25s", "snowballstemmer", "lingua", "py3langid", "cv2", "pandas",
    ):  # fmt: skip
        code = (
            f"import time; a = time.process_time(); import {name}; print(time.process_time() - a)"
        )
        took = [
            float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout or "nan")
            for _ in range(3)
        ]  # fmt: skip
        print(f"import {name:<18} {1000 * min(took):6.0f} ms")


def toml() -> None:
    """Random tables of awkward strings and numbers, written and read back."""
    import tomllib

    import tomli_w

    from jobs.core.recipe import RECIPES, load_recipe, to_toml

    rng = random.Random(0)
    alphabet = "ab\"'\\\n\t\x00\x1b\x7f\u00e9\u2028\U0001f3a5 =[]#."
    wrong = 0
    for _ in range(2000):
        table = {
            "".join(rng.choices(alphabet, k=rng.randint(1, 6))): rng.choice(
                [
                    "".join(rng.choices(alphabet, k=rng.randint(0, 12))),
                    rng.random() * 10 ** rng.randint(-12, 12),
                    rng.randint(-(2**60), 2**60),
                    rng.random() < 0.5,
                    [rng.random(), 1e300],
                ]
            )
            for _ in range(4)
        }
        wrong += tomllib.loads(tomli_w.dumps({"t": table})) != {"t": table}
    print(f"tomli-w: {wrong} of 2,000 tables read back wrong")
    for path in sorted(RECIPES.glob("*.toml")):
        recipe = load_recipe(path)
        print(f"{path.name}: {len(to_toml(recipe))} bytes as written now")


def bm25() -> None:
    """A prompt's nearest captions: the same ones, and how long they take to find."""
    import bm25s

    from captioner.expansion.expand import NEAREST, Library, example_of
    from captioner.expansion.fidelity import content
    from pipeline.world.captions import caption
    from pipeline.world.scene import random_scene

    for count in (2_000, 8_000):
        texts = [caption(random_scene(seed), "dense") for seed in range(count)]
        prompts = [caption(random_scene(seed), "short") for seed in range(10**6, 10**6 + 20)]
        examples = [example_of(text) for text in texts]
        built: list[Any] = []
        ours_built = spent(lambda: built.append(Library(examples)), rounds=1)  # noqa: B023
        library = built[0]
        words = [content(text) for text in texts]
        index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
        theirs_built = spent(lambda: index.index(words, show_progress=False), rounds=1)  # noqa: B023
        place = {id(example): i for i, example in enumerate(examples)}
        ours = [[place[id(e)] for e in library.nearest(prompt)] for prompt in prompts]
        theirs = [
            np.argsort(-index.get_scores(sorted(set(content(prompt)))), kind="stable")[
                :NEAREST
            ].tolist()
            for prompt in prompts
        ]
        same = sum(a == b for a, b in zip(ours, theirs, strict=True))
        a = spent(lambda: [library.nearest(p) for p in prompts]) / len(prompts)  # noqa: B023
        b = spent(
            lambda: [index.get_scores(sorted(set(content(p)))) for p in prompts]  # noqa: B023
        ) / len(prompts)
        print(
            f"{count:,} captions: same nearest {same} of {len(prompts)}; ours {1000 * a:.1f} ms a prompt "
            f"(built in {ours_built:.2f} s), bm25s {1000 * b:.1f} ms ({theirs_built:.2f} s)"
        )


def stem() -> None:
    """Prompts that survive expansion, and pairs of words that must or must not share a stem."""
    import snowballstemmer

    from captioner.expansion import fidelity

    english = snowballstemmer.stemmer("english").stemWord
    same = (
        "run running|run ran|person people|child children|bounce bouncing|bounce bounces|wolf wolves|grey gray|"
        "up upwards|move moves|move moving|slow slowly|berry berries|foot feet|go going|center centre|two 2|"
        "circle circles|box boxes|stripe striped|rise rising|carry carried|glass glasses"
    )
    other = "ring rings|king kin|sing sin|wing win|string strip|bus business|cross cry|was wash|toward to|color cold"
    rows = [pair.split() for pair in same.split("|")]
    apart = [pair.split() for pair in other.split("|")][1:]
    for name, function in (("ours", fidelity.stem), ("snowball", english)):
        missed = [f"{a}/{b}" for a, b in rows if function(a) != function(b)]
        merged = [f"{a}/{b}" for a, b in apart if function(a) == function(b)]
        print(f"{name}: {len(rows) - len(missed)} of {len(rows)} pairs joined, missed {missed}")
        print(f"{name}: wrongly joined {merged}")
    words = [w for pair in rows for w in pair] * 200
    for name, function in (("ours", fidelity.stem), ("snowball", english)):
        took = spent(lambda f=function: [f(w) for w in words]) / len(words)
        print(f"{name}: {1e6 * took:.1f} us a word")


def language() -> None:
    """``off_language`` on the labelled replies: ours, and detectors asked per sentence."""
    import json

    import py3langid
    from lingua import Language, LanguageDetectorBuilder

    from benchmarks.caption_checks import LABELS, texts, world_captions
    from captioner.check.language import FEW_WORDS, SENTENCES, is_off_language, unquoted

    detector = LanguageDetectorBuilder.from_all_languages().build()

    def by(judge: Callable[[str], bool]) -> Callable[[str], bool]:
        def off(text: str) -> bool:
            pieces = [p for p in SENTENCES.split(unquoted(text)) if len(p.split()) >= FEW_WORDS]
            return any(judge(piece) for piece in pieces or [text])

        return off

    def lingua_sure(text: str) -> bool:
        best = detector.compute_language_confidence_values(text)[0]
        return best.language != Language.ENGLISH and best.value > 0.8

    judges = {
        "ours": is_off_language,
        "lingua": by(lambda text: detector.detect_language_of(text) not in (Language.ENGLISH, None)),
        "lingua, 0.8 sure": by(lingua_sure),
        "py3langid": by(lambda text: py3langid.classify(text)[0] != "en"),
    }  # fmt: skip
    for split in ("dev", "heldout"):
        labels = json.loads((LABELS / f"caption_defects_{split}.json").read_text())
        off = [text for entry in labels["off_language"] for text in texts(entry, labels)]
        clean = [
            text for entry in labels["clean"] for text in texts(entry, labels)
        ] + world_captions(50)
        for name, judge in judges.items():
            start = time.process_time()
            found, alarms = sum(map(judge, off)), sum(map(judge, clean))
            took = 1e3 * (time.process_time() - start) / (len(off) + len(clean))
            f1 = 2 * found / (found + alarms + len(off))
            print(f"{split:<8} {name:<18} F1 {f1:.3f}: found {found} of {len(off)}, "
                  f"alarms {alarms} of {len(clean)}, {took:.2f} ms a text")  # fmt: skip


RULES = (
    "motion_mean > 0.0005", "blur IS NULL OR blur < 2.5 OR x < .5", "(a>=-1e-3)AND(b <= 4)", "NOT (a > 1)",
    "abs(a) > 1 OR ABS( b ) <= 2", "a BETWEEN 1 AND 5 AND b < 2", "x > 1 or a not between -1 and 0.5", "a + b > 1",
    "0.5 > blur", "5 <= height AND 2 > 1", "blur < 2.5::DOUBLE", "CASE WHEN a > 1 THEN b < 2 ELSE TRUE END",
    "text = 'a > 1'", "a > 1 /* b > 2 */",
)  # fmt: skip


def bounds() -> None:
    """Thresholds found in predicates: by sqlglot's tree, and by an expression as it was used before."""
    import re

    from jobs.report import edges

    bare = re.compile(
        r"(?:^|\(|\b(?:and|or|not)\b)\s*(\w+)\s*(<=|>=|<|>)\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*(?=$|\)|\b(?:and|or)\b)",
        re.IGNORECASE,
    )
    for rule in RULES:
        tree = [(b.column, b.op, b.threshold) for b in edges.bounds(rule)]
        print(f"{rule}\n  sqlglot    {tree}\n  expression {bare.findall(rule)}")
    took = spent(lambda: [edges.bounds(rule) for rule in RULES * 20]) / len(RULES) / 20
    print(f"sqlglot {1e6 * took:.0f} us a rule")


def moved(count: int, seed: int, *, zoom: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of textured pictures 32x18 in [0, 1], the second moved by a known (right, down, growth), with noise."""
    rng = np.random.default_rng(seed)
    h, w, big = 18, 32, 8
    first, second = np.empty((2, count, h, w), np.float32)
    truth = np.empty((count, 3))
    import cv2

    for i in range(count):
        coarse = rng.random((24, 32)).astype(np.float32)
        scene = cv2.resize(coarse, (w * big * 2, h * big * 2), interpolation=cv2.INTER_CUBIC)
        shift, grow = rng.uniform(-1.5, 1.5, 2), rng.uniform(-0.04, 0.04) if zoom else 0.0
        for out, s, g in ((first, (0.0, 0.0), 0.0), (second, shift, grow)):
            k = big / np.exp(g)
            cx, cy = scene.shape[1] / 2 - s[0] * k, scene.shape[0] / 2 - s[1] * k
            m = np.float32([[k, 0, cx - k * (w - 1) / 2], [0, k, cy - k * (h - 1) / 2]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            out[i] = cv2.warpAffine(
                cv2.GaussianBlur(scene, (0, 0), big / 2), m, (w, h), flags=flags
            )
        truth[i] = *shift, grow
    noise = rng.normal(0, 0.01, (2, count, h, w)).astype(np.float32)
    return first + noise[0], second + noise[1], truth


def flow() -> None:
    """Mean flow of pictures moved by a known shift, and of pictures that stand still under noise."""
    import cv2

    from pipeline.motion.optical_flow import flow as ours

    first, second, truth = moved(300, 0, zoom=False)
    still = first + np.random.default_rng(9).normal(0, 0.01, first.shape).astype(np.float32)
    grey = [np.clip(p * 255, 0, 255).astype(np.uint8) for p in (first, second, still)]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def farneback(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 7, 3, 5, 1.1, 0)

    methods: dict[str, Callable[[int], np.ndarray]] = {
        "ours (clipped at 2 px)": lambda k: np.stack(ours(first, (second, still)[k - 1]), -1),
        "Farneback": lambda k: np.stack([farneback(a, b) for a, b in zip(grey[0], grey[k], strict=True)]),
        "DIS": lambda k: np.stack([dis.calc(a, b, None) for a, b in zip(grey[0], grey[k], strict=True)]),
    }  # fmt: skip
    for name, method in methods.items():
        took = spent(lambda m=method: m(1)) / len(first)
        error = np.linalg.norm(method(1).mean((1, 2)) - truth[:, :2], axis=1)
        rest = np.linalg.norm(method(2), axis=-1).mean()
        print(f"{name:<24} error of the mean {np.median(error):.3f} px (median), {np.quantile(error, 0.9):.3f} (90 %); "
              f"at rest {rest:.3f} px; {1e3 * took:.3f} ms a pair")  # fmt: skip


def camera() -> None:
    """Shift and growth of the whole picture: our fit, and OpenCV's two ways to it."""
    import cv2

    from pipeline.motion.camera_motion import camera_steps

    first, second, truth = moved(300, 1, zoom=True)
    diagonal = np.hypot(*first.shape[1:])

    def ecc(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
        matrix = np.eye(2, 3, dtype=np.float32)
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
        try:
            _, matrix = cv2.findTransformECC(a, b, matrix, cv2.MOTION_AFFINE, criteria, None, 3)
        except cv2.error:
            return (0.0, 0.0, 0.0)
        centre = np.array([(a.shape[1] - 1) / 2, (a.shape[0] - 1) / 2, 1])
        right, down = matrix @ centre - centre[:2]
        return float(right), float(down), float(np.log(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))

    def phase(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
        (right, down), _ = cv2.phaseCorrelate(
            a, b, cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
        )
        return right, down, 0.0  # fmt: skip

    def mine() -> np.ndarray:
        steps = camera_steps(first, second)[:, :3].astype(np.float64)
        steps[:, :2] *= diagonal
        return steps

    methods: dict[str, Callable[[], np.ndarray]] = {
        "ours": mine,
        "findTransformECC, affine": lambda: np.array([ecc(a, b) for a, b in zip(first, second, strict=True)]),
        "phaseCorrelate": lambda: np.array([phase(a, b) for a, b in zip(first, second, strict=True)]),
    }  # fmt: skip
    for name, method in methods.items():
        took, got = spent(method) / len(first), method()
        shift = np.linalg.norm(got[:, :2] - truth[:, :2], axis=1)
        growth = np.abs(got[:, 2] - truth[:, 2])
        print(f"{name:<26} shift {np.median(shift):.3f} px (median), {np.quantile(shift, 0.9):.3f} (90 %); growth "
              f"{np.median(growth):.4f}, {np.quantile(growth, 0.9):.4f}; {1e3 * took:.3f} ms a pair")  # fmt: skip


def progress() -> None:
    """What a pipe sees of twelve seconds of work, second by second."""
    from jobs.core import console

    theirs = (
        "import sys, time; from rich.console import Console; from rich.progress import Progress\n"
        "with Progress(console=Console(file=sys.stderr)) as bar:\n"
        "    task = bar.add_task('work', total=12)\n"
        "    for _ in range(12): time.sleep(1); bar.advance(task)"
    )
    ours = (
        f"import time; from {console.__name__} import Progress\n"
        "with Progress('work', 12) as bar:\n"
        "    for _ in range(12): time.sleep(1); bar.update()"
    )
    for name, code in (("ours", ours), ("rich", theirs)):
        start, seen = time.monotonic(), []
        with subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
        ) as job:
            for _ in job.stderr or ():
                seen.append(round(time.monotonic() - start))
        print(f"{name}: lines after {seen} seconds")


def web() -> None:
    """Links with a query, as presigned ones have: processor time of each, and whether a message says the query."""
    import http.server
    import threading

    import httpx
    import obstore
    from obstore.store import HTTPStore

    class Server(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            good = "sig=1" in self.path
            self.send_response(206 if good else 403)
            self.send_header("Content-Range", "bytes 0-9/100")
            self.send_header("Last-Modified", "Thu, 26 Nov 2026 10:00:00 GMT")
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"0123456789")

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root, count = f"http://127.0.0.1:{server.server_port}", 200

    def theirs(query: str) -> None:
        store = HTTPStore.from_url(f"{root}/a.mp4?{query}", client_options={"allow_http": True})
        obstore.get_range(store, "", start=0, length=10)

    client = httpx.Client()

    def ours() -> None:
        client.get(f"{root}/a.mp4?sig=1", headers={"Range": "bytes=0-9"})

    print(
        f"httpx, one client: {1e3 * spent(lambda: [ours() for _ in range(count)]) / count:.1f} ms a link"
    )
    print(
        f"obstore, the query in its root: {1e3 * spent(lambda: [theirs('sig=1') for _ in range(count)]) / count:.1f} ms"
    )
    try:
        theirs("sig=SECRET")
    except obstore.exceptions.BaseError as error:
        print("obstore's message says the query:", "SECRET" in str(error))


def main() -> None:
    """Run the parts that are named, or all."""
    parts = {
        f.__name__: f
        for f in (imports, toml, bm25, stem, language, bounds, flow, camera, progress, web)
    }
    for name in sys.argv[1:] or parts:
        print(f"== {name}")
        parts[name]()


if __name__ == "__main__":
    main()
