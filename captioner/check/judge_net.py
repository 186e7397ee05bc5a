"""The judge's net: how sure it is of each letter of a caption that it is talk and nothing that is seen.

A small language model (all-MiniLM-L6-v2, Apache 2.0; MiniLM, arXiv 2002.10957) reads the whole caption and says of each
piece of a word what it is. ``benchmarks.fit_talk_judge`` trained it. Its matrices are stored with eight bits a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from captioner.check.judge_tokens import CJK, sentences_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

FOLDER = Path(__file__).with_name("talk_judge")
NET, PIECES = "net.onnx", "tokenizer.json"
MOST_LETTERS, MOST_CJK = 1200, 400
"""Letters that are read at once, whole sentences as far as it goes: well below the net's 512 pieces of words.
The second where letters are pieces."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A net, and what cuts words into the pieces that it knows."""

    session: InferenceSession
    tokenizer: Tokenizer


@lru_cache(maxsize=1)
def load_judge(folder: Path = FOLDER) -> Judge:
    """The judge in a folder; one thread, for callers have a process for each core."""
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # unpack matrices once
    session = onnxruntime.InferenceSession(
        str(folder / NET), options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(str(folder / PIECES))
    tokenizer.enable_truncation(512)
    return Judge(session=session, tokenizer=tokenizer)


def letter_odds(judge: Judge, text: str) -> np.ndarray:
    """For each letter of a text the log-odds (len(text),) that it is talk; NaN between words."""
    odds = np.full(len(text), np.nan, dtype=np.float32)
    for start, end in windows(text):
        read = judge.tokenizer.encode(text[start:end])
        ids = np.array([read.ids], dtype=np.int64)
        (told,) = judge.session.run(None, {"ids": ids})
        for (first, stop), one in zip(read.offsets, told[0], strict=True):
            odds[start + first : start + stop] = one
    return odds


def windows(text: str) -> Iterator[tuple[int, int]]:
    """Spans of a text that are read at once: all of it where it is short, else whole sentences."""
    most = MOST_CJK if re.search(CJK, text) else MOST_LETTERS
    start, end = 0, 0
    for sentence in sentences_of(text):
        stop = sentence[-1].end
        if stop - start > most and end > start:
            yield start, end
            start = end
        end = stop
    if end > start:
        yield start, end
