"""The adversarial term, off by default: a patch discriminator that joins late and pushes for sharp detail.

Patches in space and time as in PatchGAN (Isola et al. 2017, section 3.2.2); hinge losses (Lim and Ye 2017); its weight
is balanced against the reconstruction's by their gradients at the decoder's last layer (Esser et al. 2021, "Taming
Transformers", equation 7). Gradients are averaged over processes by hand, so several equal one.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST = 1e4
"""Upper limit of the balance."""


class Discriminator(nn.Module):
    """Frames (B,3,T,H,W) in [-1,1] to one logit per patch (B,1,T,H',W'): above 0 is real. T may be 1."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for first, second in zip(sizes, sizes[1:], strict=False):
            stride = 1 if second == sizes[-1] else 2
            layers.append(
                nn.Conv3d(first, second, (3, 4, 4), stride=(1, stride, stride), padding=1)
            )
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Conv3d(sizes[-1], 1, (1, 3, 3), padding=(0, 1, 1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, frames: Tensor) -> Tensor:
        return self.layers(frames)


class Adversary:
    """The discriminator, its optimizer, and what both players are told."""

    def __init__(self, *, lr: float, device: str) -> None:
        self.model = Discriminator().to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=lr, betas=(0.5, 0.9), weight_decay=0.0
        )

    def challenge(
        self, recon: Tensor, loss: Tensor, last: Tensor, world: int
    ) -> tuple[Tensor, float]:
        """What the decoder is told: -D(recon), and the weight that makes its pull on ``last`` equal to ``loss``'s."""
        self.model.requires_grad_(False)
        term = -self.model(recon).mean()
        pulls = [torch.autograd.grad(each, last, retain_graph=True)[0] for each in (loss, term)]
        average(pulls, world)
        balance = pulls[0].norm() / (pulls[1].norm() + 1e-4)
        return term, float(balance.clamp(0, MOST))

    def learn(self, real: Tensor, recon: Tensor, world: int) -> float:
        """One step of the discriminator; its hinge loss (1 when it cannot tell). Not finite: no step is taken."""
        self.model.requires_grad_(True)
        truth, made = self.model(real), self.model(recon.detach())
        loss = 0.5 * (F.relu(1 - truth).mean() + F.relu(1 + made).mean())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        average(gradients, world)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of ``state_dict``."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


def average(tensors: list[Tensor], world: int) -> None:
    """Mean over the processes, in place."""
    if world == 1:
        return
    for tensor in tensors:
        torch.distributed.all_reduce(tensor)
        tensor /= world
