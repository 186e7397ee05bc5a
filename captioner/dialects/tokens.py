"""The length of a caption in the tokens of the model that reads it, where its tokenizer is at hand; else in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from captioner.truth.assertions import sentences, word_count


@dataclass(frozen=True, kw_only=True)
class Counter:
    """How captions are counted."""

    count: Callable[[str], int]
    """Tokens of a text, with the marks of its start and end."""
    unit: str
    """``tokens``, or ``words`` where no tokenizer was found: then a text has at least as many tokens."""
    name: str
    """The tokenizer."""


def open_counter(tokenizer: str | None, encoder: str) -> Counter:
    """The tokenizer at a path or in the hub's local cache: ``encoder`` (the profile's) unless ``tokenizer`` is named.

    Raises ValueError when ``tokenizer`` was named and cannot be opened; nothing is downloaded.
    """
    named = tokenizer or encoder
    if not named:
        return Counter(count=word_count, unit="words", name="")
    if not Path(named).is_dir() and not _cached(named):
        if tokenizer is None:
            return Counter(count=word_count, unit="words", name=named)
        raise ValueError(
            f"no tokenizer can be opened at {named}: it is no folder, nor in the hub's cache on this machine; "
            "give the folder that holds its tokenizer.json"
        )
    try:
        from transformers import AutoTokenizer

        model = AutoTokenizer.from_pretrained(named, local_files_only=True)
    except Exception as error:  # noqa: BLE001 - transformers raises many kinds, a missing package among them
        if tokenizer is None:
            return Counter(count=word_count, unit="words", name=named)
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"no tokenizer can be opened at {named}: {first[:200]}") from None
    return Counter(
        count=lambda text: len(model(text, truncation=False)["input_ids"]),
        unit="tokens",
        name=named,
    )


def shorten(text: str, most: int, count: Callable[[str], int]) -> str:
    """``text`` without its last sentences, so that it has at most ``most`` tokens; its first one always stays."""
    kept = sentences(text)
    while len(kept) > 1 and count(" ".join(kept)) > most:
        kept.pop()
    return " ".join(kept)


def _cached(repository: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    try:
        return any(
            isinstance(try_to_load_from_cache(repository, file), str)
            for file in ("tokenizer.json", "tokenizer_config.json", "spiece.model")
        )
    except ValueError:  # no name of a repository
        return False
