"""What marks a generated MP4 as synthetic: its container's metadata always, a signed C2PA manifest on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.core.errors import UserError

if TYPE_CHECKING:
    from dit.checkpoint import Loaded
    from pipeline.video.provenance import Credentials


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Whose weights made a video, and what its manifest is signed with."""

    weights: str
    """Content id of the DiT."""
    dataset: str | None = None
    """Hash of the manifest of the shards it was trained on; None for weights that do not say."""
    credentials: Credentials | None = None

    def tags(self, prompt: str, shown: Sequence[str] = ()) -> dict[str, str]:
        """Metadata of the container; ``shown`` names references and retrieved clips."""
        from pipeline.video.tags import synthetic_tags

        return synthetic_tags(self.weights, prompt, shown)

    def signed(self, mp4: bytes, prompt: str) -> bytes:
        """The file as it is written: with a manifest where there are credentials."""
        from pipeline.video.provenance import sign

        if self.credentials is None:
            return mp4
        try:
            return sign(
                mp4, self.credentials, weights=self.weights, dataset=self.dataset, prompt=prompt
            )
        except ValueError as error:
            raise UserError(f"--c2pa-cert: {error}") from None


def marks_of(dit: Loaded, credentials: Credentials | None) -> Marks:
    """Marks of what this DiT makes."""
    return Marks(weights=dit.id, dataset=dit.info.get("manifest_hash"), credentials=credentials)


def open_credentials(certificates: Path | None, key: Path | None) -> Credentials | None:
    """Credentials of the options ``--c2pa-cert`` and ``--c2pa-key``; None when neither is given."""
    from pipeline.video.provenance import read_credentials

    if certificates is None and key is None:
        return None
    if certificates is None or key is None:
        raise UserError("--c2pa-cert and --c2pa-key go together; give both")
    for path in (certificates, key):
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file; give a PEM")
    try:
        return read_credentials(certificates, key)
    except (ValueError, ModuleNotFoundError) as error:
        raise UserError(str(error)) from None
