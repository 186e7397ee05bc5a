"""C2PA manifests (Coalition for Content Provenance and Authenticity, specification 2.1): written, read and believed.

The package ``c2pa-python`` is optional (``pip install 'filmstock[c2pa]'``). A manifest is signed with a certificate of
yours; a reader that does not know who issued it says so, and still tells whether the file was changed.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.video.boxes import outer_boxes

MISSING = "C2PA manifests need the package c2pa-python: pip install 'filmstock[c2pa]'"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
GENERATION = "org.filmstock.generation"
"""Label of our assertion: weights, data set and prompt, the last two by hash."""
MIME = "video/mp4"
C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""Extended type of the box that holds a manifest in ISO base media files (specification, A.5.1)."""
FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"pnot", b"styp")
"""What an MP4 or QuickTime file may begin with."""
MOST_BOXES = 4096
"""Outermost boxes that are looked at: fragments may be many, and a manifest stands before them."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a manifest is signed with."""

    certificates: bytes
    """PEM, the signer's first, then its issuers."""
    key: bytes
    """PEM, PKCS#8, of the signer."""
    algorithm: str = "es256"
    """es256, es384, ps256 or ed25519: what the key is for."""


def read_credentials(certificates: Path, key: Path) -> Credentials:
    """Credentials from two PEM files; ``ValueError`` for one that cannot be read or is no PEM."""
    _library()
    texts = []
    for path in (certificates, key):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}; give a PEM file") from None
        if b"-----BEGIN" not in text:
            raise ValueError(f"{path} is no PEM file; give one with -----BEGIN in it")
        texts.append(text)
    return Credentials(certificates=texts[0], key=texts[1])


def sign(
    mp4: bytes, credentials: Credentials, *, weights: str, dataset: str | None, prompt: str
) -> bytes:
    """The MP4 with a signed manifest that says: made by a model, by which weights, from which data, for which prompt.

    Args:
        mp4: A whole file.
        credentials: Certificate and key.
        weights: Content id of the model's weights.
        dataset: Hash of the manifest of the training shards; None when it is not known.
        prompt: The prompt; only its SHA-256 is stored.

    Raises:
        ModuleNotFoundError: the package is missing.
        ValueError: the certificate or key does not sign.
    """
    c2pa = _library()
    manifest = {
        "claim_generator_info": [{"name": "filmstock"}],
        "format": MIME,
        "assertions": [
            {
                "label": "c2pa.actions",
                "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]},
            },
            {
                "label": GENERATION,
                "data": {
                    "weights": weights,
                    "dataset_hash": dataset,
                    "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
                },
            },
        ],
    }
    info = c2pa.C2paSignerInfo(
        credentials.algorithm.encode(), credentials.certificates, credentials.key, None
    )
    out = io.BytesIO()
    try:
        signer = c2pa.Signer.from_info(info)
        c2pa.Builder(json.dumps(manifest)).sign(signer, MIME, io.BytesIO(mp4), out)
    except c2pa.C2paError as error:
        raise ValueError(f"the certificate or key cannot sign: {error}") from None
    return out.getvalue()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The active manifest of a file."""

    intact: bool
    """Signature and hashes fit the file; says nothing of who signed."""
    assertions: dict[str, Any]
    """Label -> data."""

    @property
    def generation(self) -> dict[str, Any] | None:
        """What ``sign`` stored, None for a file that another tool signed."""
        return self.assertions.get(GENERATION)

    @property
    def forbids_training(self) -> bool:
        """Whether an assertion (``c2pa.training-mining``, ``cawg.training-mining``) forbids to train a model on it."""
        for label, data in self.assertions.items():
            if label.split(".v")[0] in ("c2pa.training-mining", "cawg.training-mining"):
                for use, entry in data.get("entries", {}).items():
                    name = use.split(".")[-1]
                    refused = entry.get("use") in ("notAllowed", "constrained")
                    if refused and name in ("ai_training", "ai_generative_training"):
                        return True
        return False


def read_manifest(media: bytes | Path, mime: str = MIME) -> Manifest | None:
    """The active manifest of a file, None when it has none or none that can be read."""
    c2pa = _library()
    try:
        if isinstance(media, Path):
            with open(media, "rb") as handle:
                reader = c2pa.Reader(mime, handle)
        else:
            reader = c2pa.Reader(mime, io.BytesIO(media))
    except c2pa.C2paError:
        return None
    store = json.loads(reader.json())
    active = store["manifests"][store["active_manifest"]]
    return Manifest(
        intact=str(reader.get_validation_state()) in ("Valid", "Trusted"),
        assertions={a["label"]: a.get("data", {}) for a in active.get("assertions", [])},
    )


def forbids_training(path: Path) -> bool | None:
    """Whether a file's C2PA manifest forbids to train on it: False without a manifest.

    None: there is a manifest, and it cannot be read, or ``c2pa-python`` is missing. The package is imported only for
    files with a manifest. Boxes of MP4 and QuickTime alone are looked at.
    """
    if not has_manifest(path):
        return False
    try:
        found = read_manifest(path)
    except ModuleNotFoundError:
        return None
    return None if found is None else found.forbids_training


def has_manifest(path: Path) -> bool:
    """Whether an MP4 or QuickTime file has a box of C2PA among its outermost ones."""
    for number, box in enumerate(outer_boxes(path, MOST_BOXES)):
        if number == 0 and box.kind not in FIRST_BOXES:
            return False
        if box.kind == b"uuid" and box.body[:16] == C2PA_BOX:
            return True
    return False


def _library() -> Any:
    try:
        import c2pa
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING, name=error.name) from None
    return c2pa
