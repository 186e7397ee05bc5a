"""Opening ten million stored latents: seconds and memory of one rank, and bytes a clip beside the layout before.

    python -m benchmarks.latent_store --clips 10000000 [--folder DIR] [--keep]

The index is generated: real columns of the sizes that 480p clips have (two captions each), written by the code that
``encode`` finishes with; the parts that it points to are empty files, which opening looks for but does not read.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import time
from pathlib import Path

import numpy as np

CLIPS_A_PART = 256
PARTS = 400
"""Parts that are named; ten million clips would have 39,000."""
SOURCES = 200_000
METADATA = {
    "vae_id": "generated",
    "text_encoder_id": "generated",
    "text_dim": "4096",
    "latent_mean": json.dumps([0.0] * 16),
    "latent_std": json.dumps([1.0] * 16),
}
SHAPES = np.array([[16, 21, 60, 104], [16, 21, 104, 60], [16, 13, 60, 104], [16, 21, 80, 80]])
TOKENS = 512


def generate(folder: Path, clips: int) -> None:
    """Write the index of ``clips`` clips with a dense and a short caption each."""
    import pyarrow as pa

    from pipeline import schema as s
    from pipeline.latents.index import write_index
    from pipeline.latents.layout import TEXTS, checked

    (folder / TEXTS).mkdir(parents=True)
    names = [f"part-{n:016x}.parquet" for n in range(PARTS)]
    for place in (folder, folder / TEXTS):
        for name in names:
            (place / name).touch()
    rng = np.random.default_rng(0)
    number = np.arange(clips)
    ids = pa.array([f"{n:020x}" for n in range(clips)])
    shapes = SHAPES[number % len(SHAPES)]
    film = (number // -(-clips // SOURCES)).astype(np.int32)
    sources = pa.array([f"{n:016x}" for n in range(int(film[-1]) + 1)])
    codes = (number // CLIPS_A_PART % PARTS).astype(np.int32)
    parts = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names))
    table = pa.table(
        {
            s.CLIP_ID: ids,
            s.SOURCE_ID: pa.DictionaryArray.from_arrays(pa.array(film), sources).cast(pa.string()),
            s.CACHE_KEY: ids,
            s.PAYLOAD_XXH3: rng.integers(0, 1 << 63, clips).astype(np.uint64),
            s.LATENT_SHAPE: pa.FixedSizeListArray.from_arrays(
                pa.array(shapes.astype(np.int32).ravel()), 4
            ),
            s.N_FRAMES: (1 + 4 * (shapes[:, 1] - 1)).astype(np.int32),
            s.WIDTH: (8 * shapes[:, 3]).astype(np.int32),
            s.HEIGHT: (8 * shapes[:, 2]).astype(np.int32),
            s.FPS: np.full(clips, 16.0),
            s.POSTERIOR: number % CLIPS_A_PART * 8_400_000,
            s.SHARD: parts.cast(pa.string()),
        }
    )
    owner = np.repeat(number, 2)
    captions = len(owner)
    codes = (np.arange(captions) // 1024 % PARTS).astype(np.int32)
    parts = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names))
    texts = pa.table(
        {
            s.SHARD: parts.cast(pa.string()),
            s.TEXT_FEATURES: np.arange(captions) % 1024 * (2 * 4096 * TOKENS),
            s.PAYLOAD_XXH3: rng.integers(0, 1 << 63, captions).astype(np.uint64),
            s.TEXT_LEN: np.full(captions, TOKENS, np.int32),
            s.TEXT_CUT: np.zeros(captions, np.int32),
            s.CAPTION: np.arange(captions) % 1024 * 600,
            s.CAPTION_LENGTH: np.full(captions, 596, np.int32),
        }
    )
    kinds = pa.DictionaryArray.from_arrays(
        pa.array((np.arange(captions) % 2).astype(np.int32)), pa.array(["dense", "short"])
    )
    told = pa.table(
        {
            "clip_at": owner,
            s.CLIP_ID: ids.take(pa.array(owner)),
            s.KIND: kinds.cast(pa.string()),
            s.TEXT_KEY: ids.take(pa.array(owner)),
        }
    )
    write_index(folder, checked(METADATA), table, texts, told)


def memory() -> dict[str, float]:
    """MB of this process that no file backs, and that the mapped files do."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return {"own": int(found["RssAnon"]) / 1024, "mapped": int(found["RssFile"]) / 1024}


def open_rank(folder: str, rank: int, world: int, held_share: float, out: object) -> None:
    """Open the loader as one rank of training does, and look up a thousand clips."""
    import pyarrow.parquet  # noqa: F401  what any process of training has imported

    import pipeline.loader.api  # noqa: F401
    from dit.train.training_packs import TrainingPacks

    before, began, cpu = memory(), time.perf_counter(), time.process_time()
    data = TrainingPacks(
        folder, token_budget=40_000, packs_per_step=world, rank=rank, world=world,
        held_out_share=held_share,
    )  # fmt: skip
    opened, cpu = time.perf_counter() - began, time.process_time() - cpu
    after = memory()
    for clip in range(rank, len(data.clip_ids), len(data.clip_ids) // 1000 or 1):
        data.store.clip(clip)
        data.clips[clip]
    looked = time.perf_counter() - began - opened
    out.put(
        (
            rank,
            opened,
            cpu,
            after["own"] - before["own"],
            after["mapped"] - before["mapped"],
            looked,
        )
    )  # type: ignore[attr-defined]


def main() -> None:
    """Generate, open in processes of their own, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("latent-store-benchmark"))
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    if not args.folder.exists():
        began = time.perf_counter()
        # in a process of its own, whose memory goes with it
        maker = multiprocessing.get_context("spawn").Process(
            target=generate, args=(args.folder, args.clips)
        )
        maker.start()
        maker.join()
        print(f"written in {time.perf_counter() - began:.0f} s")
    for name in ("clips.arrow", "captions.arrow", "manifest.parquet"):
        size = (args.folder / name).stat().st_size
        print(f"{name}: {size / 1e6:.0f} MB, {size / args.clips:.0f} bytes a clip")
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    for share in (0.0, 0.02):
        print(f"held-out share {share:g}:")
        ranks = [
            context.Process(target=open_rank, args=(str(args.folder), r, args.ranks, share, out))
            for r in range(args.ranks)
        ]
        for rank in ranks:
            rank.start()
        for _ in ranks:
            rank, opened, cpu, own, mapped, looked = out.get()
            print(
                f"  rank {rank}: {args.clips:,} clips open in {opened:.2f} s ({cpu:.2f} s of processor time), "
                f"{own:.0f} MB of its own, {mapped:.0f} MB "
                f"of shared map touched; {looked * 1e3:.1f} us a clip looked up"
            )
        for rank in ranks:
            rank.join()
    latent, text = 2 * 16 * 21 * 60 * 104, 2 * TOKENS * 4096
    before = 2 * (2 * latent + text)
    for name, now in (
        ("full, bf16", 2 * latent + 2 * text),
        ("mean, bf16", latent + 2 * text),
        ("mean, fp8", latent + 2 * (TOKENS * (4 + 4096))),
    ):
        print(
            f"81 x 480x832, two captions of {TOKENS} x 4096: {before / 1e6:.1f} MB a clip before, "
            f"{now / 1e6:.1f} MB now ({name}), {now / before:.2f} of it"
        )
    if not args.keep:
        shutil.rmtree(args.folder)


if __name__ == "__main__":
    main()
