"""The judge's nets: how sure they are that a word is talk and not something that is seen. NumPy alone.

Two nets of the same kind with different starts read a sentence with dilated convolutions over word vectors, which are
stored with four bits a number, and see a summary of the whole sentence at every word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from captioner.check.judge_tokens import Token, shape_of, suffix_of

WEIGHTS = Path(__file__).with_name("talk_judge.npz")
DILATIONS = (1, 2, 4, 8)
GAP = max(DILATIONS)
"""Empty places between sentences that are read at once."""
STEP = 2.5
"""Steps of a stored word vector in a unit."""


@dataclass(frozen=True, kw_only=True)
class Net:
    """One net's arrays by name."""

    own: np.ndarray
    suffix: np.ndarray
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What is looked up of words, and the nets."""

    words: dict[str, int]
    """Row of each word in ``vectors``, from 1."""
    vectors: np.ndarray
    own_words: dict[str, int]
    nets: tuple[Net, ...]


@lru_cache(maxsize=1)
def load_judge(path: Path = WEIGHTS) -> Judge:
    """The judge of a file."""
    with np.load(path, allow_pickle=False) as stored:
        names = stored["words"].tobytes().decode().split(" ")
        own = stored["own_words"].tobytes().decode().split(" ")
        packed = stored["vectors"]
        vectors = np.empty((len(names) + 1, packed.shape[1] * 2), dtype=np.float32)
        vectors[0] = 0
        vectors[1:, 0::2] = (packed & 15).astype(np.float32) - 8
        vectors[1:, 1::2] = (packed >> 4).astype(np.float32) - 8
        vectors[1:] /= STEP
        nets = []
        for number in range(int(stored["count"])):
            arrays = {
                name.split("/", 1)[1]: _unpacked(stored, name)
                for name in stored.files
                if name.startswith(f"{number}/") and not name.endswith(":scale")
            }
            nets.append(Net(own=arrays.pop("own"), suffix=arrays.pop("suffix"), arrays=arrays))
    return Judge(
        words={name: at for at, name in enumerate(names, 1)},
        vectors=vectors,
        own_words={name: at for at, name in enumerate(own, 1)},
        nets=tuple(nets),
    )


def _unpacked(stored: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    value = stored[name].astype(np.float32)
    return value * stored[f"{name}:scale"] if f"{name}:scale" in stored.files else value


def packed(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix as eight-bit numbers, and the scale of each of its last axis' columns."""
    scale = np.abs(value).reshape(-1, value.shape[-1]).max(0) / 127 + 1e-12
    return np.round(value / scale).astype(np.int8), scale.astype(np.float32)


def packed_vectors(vectors: np.ndarray) -> np.ndarray:
    """Word vectors as four bits a number, two in a byte."""
    levels = np.clip(np.round(vectors * STEP), -7, 7).astype(np.int16) + 8
    return (levels[:, 0::2] | (levels[:, 1::2] << 4)).astype(np.uint8)


def scores(judge: Judge, sentences: list[list[Token]]) -> list[np.ndarray]:
    """For each sentence of a caption, the log-odds that each token is talk: of the net that is least sure."""
    if not sentences:
        return []
    total = sum(len(one) + GAP for one in sentences) + GAP
    ids = np.zeros((3, total), dtype=np.int64)
    shapes = np.zeros((total, 8), dtype=np.float32)
    mask = np.zeros((total, 1), dtype=np.float32)
    spans = []
    at = GAP
    for number, one in enumerate(sentences):
        first, last = number == 0, number == len(sentences) - 1
        for place, token in enumerate(one):
            row = at + place
            ids[:, row] = (
                judge.words.get(token.name, 0),
                judge.own_words.get(token.name, 0),
                suffix_of(token),
            )
            shapes[row] = shape_of(token, place, one, first, last)
        spans.append((at, at + len(one)))
        mask[at : at + len(one)] = 1
        at += len(one) + GAP
    told = np.min([_run(judge, net, ids, shapes, mask, spans) for net in judge.nets], axis=0)
    return [told[start:end] for start, end in spans]


def _run(
    judge: Judge,
    net: Net,
    ids: np.ndarray,
    shapes: np.ndarray,
    mask: np.ndarray,
    spans: list[tuple[int, int]],
) -> np.ndarray:
    given = np.concatenate(
        [judge.vectors[ids[0]], net.own[ids[1]], net.suffix[ids[2]], shapes], axis=1
    )
    its = net.arrays
    x = np.maximum(given @ its["in"] + its["in_bias"], 0) * mask
    for number, dilation in enumerate(DILATIONS):
        wide = np.zeros((len(x), 3 * x.shape[1]), dtype=np.float32)
        width = x.shape[1]
        wide[dilation:, :width] = x[:-dilation]
        wide[:, width : 2 * width] = x
        wide[:-dilation, 2 * width :] = x[dilation:]
        x = (x + np.maximum(wide @ its[f"conv{number}"] + its[f"conv{number}_bias"], 0)) * mask
    for start, end in spans:
        whole = np.concatenate([x[start:end].max(0), x[start:end].mean(0)])
        x[start:end] = np.maximum(x[start:end] + whole @ its["pool"] + its["pool_bias"], 0)
    return (x @ its["out"] + its["out_bias"])[:, 0]
