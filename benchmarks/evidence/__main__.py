"""All claims, one after the other: tables, plots and figures into one folder; run again, it goes on where it was.

make evidence                                # or, with less compute:
python -m benchmarks.evidence --scratch runs/evidence --steps 200 --images 3000
"""

from __future__ import annotations

import time

from benchmarks.evidence import captions, compute, curation, expansion, native_sizes
from benchmarks.evidence.runs import plan

CLAIMS = {
    "prompts want the captions' style": expansion,
    "more compute, less loss": compute,
    "captions": captions,
    "curation": curation,
    "native sizes": native_sizes,
}


def main() -> None:
    """Run each script."""
    told = plan(__doc__)
    told.scratch.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for number, (claim, script) in enumerate(CLAIMS.items(), 1):
        print(
            f"evidence {number}/{len(CLAIMS)}: {claim} ({(time.monotonic() - start) / 60:.0f} min so far)",
            flush=True,
        )
        script.run(told)


if __name__ == "__main__":
    main()
