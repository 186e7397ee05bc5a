"""Why processes of a training waited for each other in vain, in one line in place of pages."""

from __future__ import annotations

WAITED = (
    "Watchdog caught collective operation timeout",  # NCCL
    "NCCL watchdog",
    "Timed out waiting",  # gloo
    "Wait timeout",  # the store that processes meet at
    "NCCLHangError",
)
"""What is said by a process that no other answered."""
LEFT = (
    "Connection closed by peer",  # gloo
    "Connection reset by peer",
    "Broken pipe",
    "remote process exited or there was a network error",  # NCCL
)
"""What is said by a process whose neighbour went."""
NEXT = "the first error by time in the workers' logs names it; the same command goes on from the last checkpoint"


def why_stuck(text: str) -> str | None:
    """One line that explains an error of torch.distributed; None where it is something else."""
    if any(sign in text for sign in WAITED):
        return (
            "a process waited for another that did not answer in time: it died, stands still, or cannot be reached "
            f"(NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME); {NEXT}"
        )
    if any(sign in text for sign in LEFT):
        return f"a process went while others were talking to it, often for lack of memory; {NEXT}"
    return None
