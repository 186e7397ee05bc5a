"""Many clients at a server at once, killed in the middle: is a result lost or crossed, and how long do answers take?

    python -m benchmarks.serve_clients --clients 50

``filmstock serve embedded`` runs as a process of its own. Every client submits one prompt with a seed of its own, asks
for its status until it is done, and fetches its video. Half-way the server is killed (SIGKILL) and started again on the
same folder. At the end the frames of each video are compared with those of one that is sampled here from the same seed;
the files differ, as each names its own making. Exit code 1 if one is lost or another's.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import httpx
import numpy as np

PROMPT = "A large red circle moves slowly to the right. The background is plain grey."
SETTINGS = {"verb": "sample", "steps": 2, "frames": 5, "width": 64, "height": 64, "guidance": 1.0}


class Server:
    """The command as a user starts it, on one port."""

    def __init__(self, out: Path) -> None:
        self.out, self.port = out, 0
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had."""
        words = ["serve", "embedded", "--out", str(self.out), "--port", str(self.port)]
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "jobs.cli", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                self.port = int(found[1])
                return
        raise SystemExit("the server did not start")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Client:
    """One client: what it asked for, and how long each answer took."""

    def __init__(self, server: Server, seed: int) -> None:
        self.server, self.seed = server, seed
        self.times: dict[str, list[float]] = {"submit": [], "status": [], "result": []}
        self.refused = 0
        self.http = httpx.Client(timeout=60, trust_env=False, verify=False)  # no TLS to set up

    def ask(self, kind: str, method: str, path: str, **more: object) -> httpx.Response:
        """One request, timed; asked again while the server is down or says that it is busy."""
        while True:
            try:
                began = time.perf_counter()
                url = f"http://127.0.0.1:{self.server.port}{path}"
                answer = self.http.request(method, url, **more)  # type: ignore[arg-type]
                if answer.status_code == 429:
                    self.refused += 1
                    time.sleep(min(2, int(answer.headers["retry-after"])))
                    continue
                self.times[kind].append(time.perf_counter() - began)
                return answer
            except httpx.TransportError:
                time.sleep(0.3)

    def run(self) -> bytes:
        """Submit, wait, fetch."""
        body = {**SETTINGS, "prompt": PROMPT, "seed": self.seed}
        job = self.ask("submit", "POST", "/api/jobs", json=body).json()
        while job["state"] != "done":
            if job["state"] in ("failed", "cancelled"):
                raise SystemExit(f"job {job['id']}: {job['state']} {job['why']}")
            time.sleep(0.5)
            job = self.ask("status", "GET", job["links"]["self"]).json()
        return self.ask("result", "GET", job["links"]["video"]).content


def expected(seeds: range) -> list[bytes]:
    """The same videos, sampled in this process."""
    from jobs.generate.videos import generate_videos
    from jobs.serve.forms import config_of, verbs
    from pipeline.video.encode import encode_mp4

    found = []
    for seed in seeds:
        full = verbs()["sample"].settings({**SETTINGS, "prompt": PROMPT, "seed": seed})
        (video,) = generate_videos([PROMPT], config=config_of(full), seed=seed)
        found.append(encode_mp4(video, full["fps"]))
    return found


def main() -> int:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        clients = [Client(server, seed) for seed in range(args.clients)]
        done = [0]

        def one(client: Client) -> bytes:
            data = client.run()
            done[0] += 1
            return data

        def kill_half_way() -> None:
            while done[0] < args.clients // 3:
                time.sleep(0.05)
            server.kill()
            server.start()

        killer = threading.Thread(target=kill_half_way)
        killer.start()
        began = time.perf_counter()
        with ThreadPoolExecutor(args.clients) as pool:
            videos = list(pool.map(one, clients))
        took = time.perf_counter() - began
        killer.join()
        memory = resident_mb(server.process.pid)
        server.kill()
    wanted = expected(range(args.clients))
    pairs = zip(videos, wanted, strict=True)
    right = sum(np.array_equal(frames_of(have), frames_of(want)) for have, want in pairs)
    kinds = len({frames_of(want).tobytes() for want in wanted})
    print(
        f"{args.clients} clients, one kill -9: {right} of {len(videos)} videos are their own in every frame; "
        f"{kinds} differ from each other"
    )
    print(
        f"{took:.1f} s in all, {sum(c.refused for c in clients)} answers of 429; server {memory:.0f} MB resident"
    )
    for kind in ("submit", "status", "result"):
        times = sorted(t for client in clients for t in client.times[kind])
        p95 = times[int(0.95 * (len(times) - 1))]
        print(
            f"{kind:<7} {len(times):>6} answers, median {1e3 * statistics.median(times):.0f} ms, p95 {1e3 * p95:.0f} ms"
        )
    return int(right < len(videos))


def frames_of(mp4: bytes) -> np.ndarray:
    """Every frame of a video, uint8 (T, H, W, 3)."""
    with av.open(io.BytesIO(mp4)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def resident_mb(pid: int) -> float:
    """Memory of a process, MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    return int(found[1]) / 1000 if found else 0.0


if __name__ == "__main__":
    sys.exit(main())
