"""What retrieval finds for a prompt, said in lines, and what ``sample`` makes of it: examples and references."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jobs.core.console import say

if TYPE_CHECKING:
    from jobs.search.retrieve import Answer, Retrieval

SHOWN_LETTERS = 100
"""Letters of a caption in a line."""


def look_up(retrieval: Retrieval, prompt: str, count: int, *, to_stderr: bool = False) -> Answer:
    """The clips nearest to a prompt, each said in a line: on stderr where stdout is for results."""
    answer = retrieval.nearest(prompt, count)

    def tell(line: str) -> None:
        if to_stderr:
            print(line, file=sys.stderr, flush=True)
        else:
            say(line)

    tell(f"retrieve: {len(answer.found)} clips nearest to {prompt[:SHOWN_LETTERS]!r}")
    for each in answer.found:
        caption = each.caption[:SHOWN_LETTERS] or "no caption"
        tell(f"  {each.clip_id}  similarity {each.similarity:.3f}  {caption}")
    if not answer.examples:
        tell("  none of them has a dense caption, so the prompt is not expanded by them")
    return answer
