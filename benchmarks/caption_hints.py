"""Camera clauses that come out right with and without true hints, on the synthetic world.

    python -m benchmarks.caption_hints [--clips 60]

Each clip is encoded, its camera measured as ingest measures it, and a captioner asked for a dense caption without hints
and with ``hints = ["camera"]``. Two captioners: a scripted OpenAI-compatible server on loopback that listens (it
writes a true caption with a camera drawn at random, unless it was told one), which shows what the way there and back
loses; and the embedded captioner, which was never told of hints. A clause is right when the claims read from the
caption are those of the scene. The flags of ``captioner.truth`` are counted beside them.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from captioner.ask.frames import ClipFrames, clip_frames
from captioner.ask.prompts import HINTED
from captioner.backends.open import open_backend
from captioner.check.outcome import check_reply
from captioner.config import CaptionConfig
from captioner.describe import request_for
from captioner.facts import facts
from captioner.truth.claims import is_camera_sentence, read_claims
from captioner.truth.grounding import camera_contradiction, manifest_camera
from pipeline.config import IngestConfig
from pipeline.source.clips import ClipRecord, clip_source
from pipeline.video.encode import encode_mp4
from pipeline.world.captions import caption
from pipeline.world.render import render
from pipeline.world.scene import random_scene

CAMERAS = (
    "The camera is static.", "The camera pans left.", "The camera pans right.", "The camera tilts up.",
    "The camera tilts down.", "The camera zooms in.", "The camera zooms out.",
)  # fmt: skip
FPS, FRAMES, WIDTH, HEIGHT = 12.0, 36, 256, 144


def measured_clip(seed: int, folder: Path) -> tuple[str, dict[str, Any], ClipFrames] | None:
    """(true dense caption, manifest row, frames) of a scene; None where ingest makes no clip of it."""
    scene = random_scene(seed)
    mp4 = encode_mp4(render(scene, width=WIDTH, height=HEIGHT, fps=FPS, n_frames=FRAMES), FPS)
    path = folder / f"{seed}.mp4"
    path.write_bytes(mp4)
    records = [r for r in clip_source(str(path), IngestConfig(), 8) if isinstance(r, ClipRecord)]
    if len(records) != 1:
        return None
    frames = clip_frames(
        mp4, n_frames=FRAMES, fps=FPS, width=WIDTH, height=HEIGHT, frames=8, side=384
    )
    return caption(scene, "dense"), dict(records[0].row), frames


@contextmanager
def listener(truth: dict[str, str]) -> Iterator[str]:
    """A server that listens; ``truth`` maps a clip's marker in the question to its true caption without the camera."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            question = body["messages"][0]["content"][-1]["text"]
            marker = question.split()[0]
            told = question.partition(HINTED)[2].strip()
            camera = told or random.Random(marker).choice(CAMERAS)
            message = {"content": f"{truth[marker]} {camera}"}
            data = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = [measured_clip(50_000 + i, Path(folder)) for i in range(args.clips)]
    clips = [clip for clip in found if clip is not None]
    hints = [
        [clause.text for clause in facts(row) if clause.topic == "camera"] for _, row, _ in clips
    ]
    right = sum(
        read_claims(" ".join(told)).camera == read_claims(true).camera
        for (true, _, _), told in zip(clips, hints, strict=True)
        if told
    )
    told = sum(map(bool, hints))
    print(f"{len(clips)} clips of the world; camera clauses measured for {told}, right {right}")
    truth = {
        f"clip{i}": " ".join(
            f"{part}." for part in true.rstrip(".").split(". ") if not is_camera_sentence(part)
        )
        for i, (true, _, _) in enumerate(clips)
    }
    print(f"{'captioner':28} {'hints':>6} {'camera right':>13} {'flagged':>8}")
    with listener(truth) as url:
        listens = CaptionConfig(
            backend="openai",
            model="listener",
            base_url=url,
            kinds=("dense",),
            prompts={"dense": "{seconds}"},
        )
        embedded = CaptionConfig(kinds=("dense",), max_new_tokens=120)
        for name, config in (("scripted, listens", listens), ("embedded", embedded)):
            backend = open_backend(config)
            for with_hints in (False, True):
                requests = [
                    request_for(
                        config, f"clip{i}", "dense", frames, hints=hints[i] if with_hints else ()
                    )
                    for i, (_, _, frames) in enumerate(clips)
                ]
                if name != "embedded":
                    requests = [marked(request) for request in requests]
                counts: Counter[str] = Counter()
                for reply in backend.caption(requests):
                    true, row, _ = clips[int(reply.clip_id.removeprefix("clip"))]
                    text = check_reply(reply).text or ""
                    counts["right"] += read_claims(text).camera == read_claims(true).camera
                    counts["flagged"] += camera_contradiction(text, manifest_camera(row))
                share = counts["right"] / len(clips)
                print(
                    f"{name:28} {'yes' if with_hints else 'no':>6} {counts['right']:5} {share:7.1%} "
                    f"{counts['flagged']:8}"
                )
            backend.close()


def marked(request: Any) -> Any:
    """The request with its clip's marker before the question, for the scripted server alone."""
    from dataclasses import replace

    return replace(request, prompt=f"{request.clip_id} {request.prompt}")


if __name__ == "__main__":
    main()
