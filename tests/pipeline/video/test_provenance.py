"""C2PA manifests: signed, read back by the library's own reader, found broken when the file is, refused in words."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.video.decode import decode_clip
from pipeline.video.encode import encode_mp4
from pipeline.video.probe import probe
from pipeline.video.provenance import (
    SOURCE_TYPE,
    Credentials,
    forbids_training,
    read_credentials,
    read_manifest,
    sign,
)
from pipeline.video.tags import container_tags, is_synthetic, synthetic_tags
from tests.helpers.certificates import signing_pems, with_training_assertion

c2pa = pytest.importorskip("c2pa")
CREATED = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}
FRAMES = np.random.default_rng(0).integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    certificates, key = signing_pems()
    return Credentials(certificates=certificates, key=key)


@pytest.fixture(scope="module")
def signed(credentials: Credentials) -> bytes:
    mp4 = encode_mp4(FRAMES, 8, tags=synthetic_tags("0123", "a red circle"))
    return sign(mp4, credentials, weights="0123", dataset="feed", prompt="a red circle")


def test_the_librarys_own_reader_finds_what_was_signed(signed: bytes) -> None:
    reader = c2pa.Reader("video/mp4", io.BytesIO(signed))
    assert reader.get_validation_state() == "Valid"
    found = read_manifest(signed)
    assert found is not None and found.intact and not found.forbids_training
    assert found.generation == {
        "weights": "0123",
        "dataset_hash": "feed",
        "prompt_sha256": hashlib.sha256(b"a red circle").hexdigest(),
    }
    assert "trainedAlgorithmicMedia" in json.dumps(found.assertions)
    assert len(decode_clip(signed)[0]) == len(FRAMES), "the pictures are as they were"


def test_a_changed_file_is_not_intact(signed: bytes) -> None:
    changed = bytearray(signed)
    changed[-100] ^= 255
    found = read_manifest(bytes(changed))
    assert found is not None and not found.intact


def test_a_file_without_a_manifest_has_none() -> None:
    assert read_manifest(encode_mp4(FRAMES, 8)) is None
    assert read_manifest(b"no video") is None


@pytest.mark.parametrize(
    ("use", "refused"), [("notAllowed", True), ("constrained", True), ("allowed", False)]
)
@pytest.mark.parametrize("label", ["c2pa.training-mining", "cawg.training-mining"])
def test_assertions_on_training_are_read(
    label: str, use: str, refused: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(with_training_assertion(encode_mp4(FRAMES, 8), label, use))
    found = read_manifest(path)
    assert found is not None and found.forbids_training is refused
    assert found.generation is None
    assert forbids_training(path) is refused and probe(path).training_forbidden is refused


def test_only_files_with_a_manifest_need_the_package(
    signed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, marked, strange = (tmp_path / name for name in ("plain.mp4", "marked.mp4", "a.mkv"))
    plain.write_bytes(encode_mp4(FRAMES, 8))
    marked.write_bytes(signed)
    strange.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(60))
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert forbids_training(plain) is False and forbids_training(strange) is False
    assert forbids_training(marked) is None, "it has one, and nobody can read it"
    endless = tmp_path / "endless.mp4"
    endless.write_bytes(b"\0\0\0\x08ftyp" + b"\0\0\0\0free" + bytes(64))
    assert forbids_training(endless) is False


def test_credentials_that_do_not_sign(credentials: Credentials, tmp_path: Path) -> None:
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    with pytest.raises(ValueError, match="cannot read"):
        read_credentials(*paths)
    paths[0].write_bytes(credentials.certificates)
    paths[1].write_bytes(b"no key")
    with pytest.raises(ValueError, match="no PEM"):
        read_credentials(*paths)
    paths[1].write_bytes(credentials.key)
    assert read_credentials(*paths) == credentials
    with pytest.raises(ValueError, match="cannot sign"):
        wrong = Credentials(certificates=credentials.certificates, key=b"-----BEGIN nothing")
        sign(encode_mp4(FRAMES, 8), wrong, weights="", dataset=None, prompt="")


def test_a_generated_file_says_so_and_its_mark_is_no_caption() -> None:
    import av

    from pipeline.source.sidecars import original_caption

    with av.open(io.BytesIO(encode_mp4(FRAMES, 8, tags=synthetic_tags("0123", "a dog")))) as file:
        metadata = dict(file.metadata)
    assert is_synthetic(metadata) and "0123" in metadata["comment"]
    assert not is_synthetic({"comment": "holiday"})
    assert original_caption("a.mp4", container_tags(metadata), sidecars=False) is None
