"""``filmstock push DIR --repo NAME``: shards become a dataset of the Hugging Face hub, with a card and metadata.

Files that the hub has already are not sent again, so a push that was killed goes on, and one of a dataset that has
grown sends what is new. The card comes last: a repository with a card is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, UserError, no_clips
from jobs.core.run import RunFolder, open_run
from jobs.edits.fresh import check_fresh
from jobs.publish.describe import SHEET, About, chosen, croissant, dataset_card
from jobs.publish.licences import Licence, licence_of
from pipeline import schema as s
from pipeline.shards.layout import manifest_of
from pipeline.store.paths import Location, matching, parquet_input, typed
from pipeline.store.staging import staged

STAGE = "push"
CARD, CROISSANT = "README.md", "croissant.json"
BATCH_BYTES, BATCH_FILES = 8 << 30, 32
"""Shards that are sent in one commit, at most."""
PART = r"(?!.*(?:--|\.\.))[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?"
REPOSITORY = re.compile(f"{PART}/{PART}", re.ASCII)
"""Owner and name as the hub takes them: they begin with a letter or digit, without two dots or dashes in a row."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Publish the shards of a run folder as a dataset on the Hugging Face hub; sends only what is not there yet."""

    folder: tyro.conf.Positional[Folder]
    """Run folder with shards/, as `filmstock pack` wrote it."""
    repo: str
    """Repository, OWNER/NAME; it is made if there is none."""
    licence: str
    """Licence of the dataset as the hub names it: cc-by-4.0, cc0-1.0; or other, with --licence-name."""
    licence_name: str = ""
    """With --licence other: what your terms are called, such as my-terms-1.0."""
    licence_link: str = ""
    """With --licence other: where they can be read, https://..."""
    title: str | None = None
    """Name of the dataset, for people. Default: the repository's."""
    summary: str = ""
    """A few sentences on what it is."""
    sources: str = ""
    """Where the footage is from and under which terms: stands below the licence."""
    public: bool = False
    """Make a new repository public; without, it is private until you open it."""
    dry_run: bool = False
    """Send nothing: write card, metadata and samples to DIR/publish and say what would be sent."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    run(parse_args(Args, argv, STAGE))
    return EXIT_OK


def run(args: Args) -> int:
    """Publish; returns the number of files that were sent."""
    if not REPOSITORY.fullmatch(args.repo):
        raise UserError(f"--repo {args.repo!r} is no repository; write OWNER/NAME")
    licence = licence_of(args.licence, args.licence_name, args.licence_link)
    folder = open_run(args.folder)
    folder.need("shards")
    manifest = manifest_of(folder.shards)
    if not manifest.is_file():
        raise UserError(
            f"{folder.shards} is not finished; run filmstock pack {typed(folder)} first"
        )
    check_fresh(folder, "shards")
    shards = matching(folder.shards, "*.parquet")
    if not shards:
        raise no_clips(folder.shards)
    with ExitStack() as stack:
        local = {f"shards/{p.name}": stack.enter_context(staged(p)) for p in [*shards, manifest]}
        local[manifest.name] = local.pop(f"shards/{manifest.name}")
        hashes = {name: sha256(path) for name, path in local.items()}
        made = describe(args, licence, folder, manifest, shards[0], hashes)
        if args.dry_run:
            return tell(folder, args, local, made)
        with hub_trouble(args.repo):
            sent = send(args, local, hashes, made)
    say(f"push: {sent} files sent, {len(local) + len(made)} in {endpoint()}/datasets/{args.repo}")
    return sent


def describe(
    args: Args,
    licence: Licence,
    folder: RunFolder,
    manifest: Location,
    shard: Location,
    hashes: dict[str, str],
) -> dict[str, bytes]:
    """Path -> content of what is made for the hub: card, Croissant metadata, a sheet of frames."""
    import pyarrow.parquet as pq

    rows = pq.read_table(parquet_input(manifest)).to_pylist()
    schema = pq.read_schema(parquet_input(shard))
    columns = {name: str(schema.field(name).type) for name in schema.names}
    about = About(
        title=args.title or args.repo.partition("/")[2],
        licence=licence,
        summary=args.summary,
        sources=args.sources,
    )
    funnel = folder.last_metrics().get("select", {}).get("funnel", {})
    card = dataset_card(about, rows, columns, funnel, made_by(folder))
    day = pack_day(folder)
    return {
        SHEET: sheet(folder, chosen(rows)),
        CROISSANT: croissant(about, args.repo, endpoint(), columns, hashes, day),
        CARD: card.encode(),
    }


def made_by(folder: RunFolder) -> dict[str, str]:
    """What the dataset was made with, without anything of this machine."""
    from jobs.cli import version

    recipe = folder.recipe()
    asked = recipe.caption.model if recipe.caption.asked else "none"
    return {"filmstock": version(), "recipe": recipe.name, "settings": recipe.key} | {
        "captioner": asked if not os.path.exists(asked) else os.path.basename(asked)
    }


def pack_day(folder: RunFolder) -> str:
    """Day on which the shards were packed, so that another push of them says the same."""
    from datetime import UTC, datetime

    when = folder.last_metrics().get("pack", {}).get("time_s", 0)
    return datetime.fromtimestamp(when, UTC).date().isoformat()


def sheet(folder: RunFolder, rows: list[dict[str, Any]]) -> bytes:
    """A PNG with frames of some clips."""
    from pipeline.shards.ranges import read_clip
    from pipeline.video.decode import decode_clip, sample_indices
    from pipeline.video.sheets import contact_sheet, png_bytes

    videos = []
    for row in rows:
        high = min(180, row[s.HEIGHT])
        size = (max(2, round(row[s.WIDTH] * high / row[s.HEIGHT])), high)
        keep = sample_indices(row[s.N_FRAMES], 6)
        videos.append(decode_clip(read_clip(folder.shards, row), indices=keep, size=size)[0])
    return png_bytes(contact_sheet(videos, [row[s.CLIP_ID] for row in rows]))


def tell(folder: RunFolder, args: Args, local: dict[str, Path], made: dict[str, bytes]) -> int:
    """Write what is made for the hub beside the shards, and say what would be sent."""
    from pipeline.store.atomic import write_bytes

    for name, data in made.items():
        write_bytes(folder / "publish" / name, data)
    size = sum(path.stat().st_size for path in local.values())
    say(
        f"push: {len(local)} files of {size:,} bytes would go to {args.repo}; nothing was sent, {folder / 'publish'} "
        "holds the card, the Croissant metadata and the samples"
    )
    return 0


def send(args: Args, local: dict[str, Path], hashes: dict[str, str], made: dict[str, bytes]) -> int:
    """Send what the hub lacks: shards in commits of their own, then the rest with what is stale removed."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoFile
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # ours shows files, not bytes of each
    api = HfApi(endpoint=endpoint())
    api.create_repo(args.repo, repo_type="dataset", private=not args.public, exist_ok=True)
    there = {
        entry.path: entry.lfs.sha256 if entry.lfs else entry.blob_id
        for entry in api.list_repo_tree(args.repo, repo_type="dataset", recursive=True)
        if isinstance(entry, RepoFile)
    }
    todo = [name for name in local if there.get(name) != hashes[name]]
    parts = [name for name in todo if name.startswith("shards/")]
    with Progress(STAGE, len(local), "files") as progress:
        progress.skip(len(local) - len(todo))
        for batch in batches(parts, local):
            adds = [CommitOperationAdd(name, str(local[name])) for name in batch]
            commit(api, args.repo, adds, f"{len(batch)} shards")
            progress.update(len(batch))
        rest: list[Any] = [
            CommitOperationAdd(n, str(local[n])) for n in todo if not n.startswith("shards/")
        ]
        new = [name for name, data in made.items() if there.get(name) not in ids(data)]
        rest += [CommitOperationAdd(name, made[name]) for name in new]
        stale = [name for name in there if name.startswith("shards/") and name not in local]
        rest += [CommitOperationDelete(name) for name in stale]
        if rest:
            commit(api, args.repo, rest, "manifest, card and metadata")
            progress.update(len(todo) - len(parts))
    return len(todo) + len(new)


def commit(api: Any, repo: str, operations: list[Any], message: str) -> None:
    """One commit to the dataset."""
    api.create_commit(repo, operations, commit_message=message, repo_type="dataset")


def batches(names: list[str], local: dict[str, Path]) -> Iterator[list[str]]:
    """Files in the order of their names, as many as go into one commit."""
    batch: list[str] = []
    size = 0
    for name in sorted(names):
        bytes_ = local[name].stat().st_size
        if batch and (size + bytes_ > BATCH_BYTES or len(batch) >= BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += bytes_
    if batch:
        yield batch


def sha256(path: Path) -> str:
    """Hash of a file by which the hub knows it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ids(data: bytes) -> tuple[str, str]:
    """Ids by which the hub knows a content: of git, and of large files."""
    return (
        hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
        hashlib.sha256(data).hexdigest(),
    )


def endpoint() -> str:
    """Address of the hub."""
    from huggingface_hub import constants

    return constants.ENDPOINT.rstrip("/")


@contextmanager
def hub_trouble(repo: str) -> Iterator[None]:
    """What the hub or the network says as one line that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise UserError("HF_HUB_OFFLINE is set; push needs the network") from error
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        if code in (401, 403, 404):
            raise UserError(
                f"the hub lets you write no dataset {repo} ({code}): log in with hf auth login, or set HF_TOKEN to a "
                "token that may write"
            ) from error
        raise UserError(
            f"the hub does not take {repo} ({code}): run the same command again, it goes on"
        ) from error
    except Exception as error:
        sending = isinstance(error, RuntimeError) and "Error while uploading" in str(error)
        of_network = type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore")
        if not (sending or of_network or isinstance(error, ConnectionError)):
            raise
        raise UserError(
            f"{endpoint()} does not take what is sent ({str(error)[:80] or type(error).__name__}): run the same "
            "command again, it goes on"
        ) from error
