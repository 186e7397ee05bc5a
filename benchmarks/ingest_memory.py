"""Whether the memory of ingest's decoding child grows with the length of its source.

    python benchmarks/ingest_memory.py --minutes 1 60 [FILE]

Without a file it films some footage of the synthetic world. The file's packets are repeated to sources of each length,
and each step of ``ingest.py`` (*split*; *cut*, which is split, cut, encode and score) runs on each in a process of its
own, whose peak resident memory is read. The aim is that the longest differs from the shortest by less than a tenth.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def repeat(source: Path, target: Path, minutes: float) -> Path:
    """The pictures of ``source`` over and over, without decoding, until the file is ``minutes`` long."""
    import av

    with av.open(str(target), "w") as out:
        stream, shift, end_s = None, 0, 60 * minutes
        while True:
            longest = shift
            with av.open(str(source)) as container:
                video = container.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                for packet in container.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    longest = max(longest, packet.pts + shift + packet.duration)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    if packet.dts * packet.time_base >= end_s:
                        return target
                    packet.stream = stream
                    out.mux(packet)
            shift = longest


def peak_mb(step: str, path: Path) -> float:
    """Peak resident memory of a process that runs one step of ``ingest.py`` on a file, MiB."""
    code = f"import sys; from benchmarks.ingest import {step}; {step}(sys.argv[1])"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{step} of {path} ended with status {child.returncode}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    from benchmarks.ingest import film

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="video whose pictures are repeated")
    parser.add_argument("--minutes", nargs="+", type=float, default=[1, 60])
    parser.add_argument("--steps", nargs="+", default=["split", "cut"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = args.file or film(Path(folder))[0]
        print("step    " + "".join(f"{minutes:>9g} min" for minutes in args.minutes) + "   growth")
        for step in args.steps:
            peaks = []
            for minutes in args.minutes:
                long = repeat(source, Path(folder) / f"{minutes:g}.mkv", minutes)
                peaks.append(peak_mb(step, long))
            cells = "".join(f"{peak:>10.1f} MB" for peak in peaks)
            print(f"{step:<8}{cells}{100 * (peaks[-1] / peaks[0] - 1):>8.1f}%", flush=True)


if __name__ == "__main__":
    main()
