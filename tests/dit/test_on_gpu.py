"""Training, held-out losses, sampling and the VAE on a fake GPU: no mixed devices, and the host waits for no number."""

import pytest
import torch

pytest.importorskip("torch._subclasses.fake_tensor")

from benchmarks import gpu_fake  # noqa: E402
from benchmarks.fake_gpu import fake_gpu  # noqa: E402

PARTS = dict(gpu_fake.parts())
FAST = [name for name in PARTS if "4x16x16" not in name]


@pytest.mark.parametrize("name", FAST)
def test_on_a_fake_gpu(name):
    PARTS[name]()


@pytest.mark.parametrize("name", sorted(set(PARTS) - set(FAST)))
@pytest.mark.slow
def test_on_a_fake_gpu_slow(name):
    PARTS[name]()


def test_the_fake_gpu_notices_what_it_should():
    with fake_gpu() as device:
        x = torch.empty(3, 4, device=device)
        with pytest.raises(Exception, match="same device"):
            x + torch.empty(3, 4)
        for read in (
            lambda: float(x.sum()),
            lambda: x.tolist(),
            lambda: x[x > 0],
            lambda: x.nonzero(),
        ):
            with pytest.raises(Exception, match=r"aten|fakegpu|Data|Dynamic"):
                read()
