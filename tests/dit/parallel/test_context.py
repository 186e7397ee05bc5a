"""Context parallelism: two and four gloo processes that share packs compute what one process computes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from dit.checkpoint import load_dit
from dit.conditioning import given_frames, given_latents
from dit.config import DiTConfig, SamplerConfig, TrainConfig
from dit.model import DiT
from dit.parallel.context import ALONE, Context, check_heads, data_place, open_context
from dit.parallel.spread import gathered
from dit.samplers import generate
from dit.train.data import Batch
from dit.train.heldout import pack_loss
from dit.train.loop import train
from dit.train.parallel import is_shard, sum_gradients
from dit.train.sharded.model import spread, weights_mesh
from dit.train.training_packs import TrainingPacks
from tests.helpers.awake_dit import awake_dit
from tests.helpers.json_lines import json_lines
from tests.helpers.latents import TEXT_DIM
from tests.helpers.packs import ragged_packs
from tests.helpers.processes import end_processes, start_processes

WORLD = 4
MODEL = DiTConfig(
    width=32, depth=1, heads=4, mlp_ratio=2, refiner_depth=1, latent_channels=4, text_dim=TEXT_DIM,
    head_gate=True,
)  # fmt: skip
FACTORISED = replace(MODEL, attention="factorised", depth=2)  # a block in space, one in time
CONFIG = TrainConfig(
    steps=4, tokens_per_pack=40, packs_per_step=2, precision="fp32", warmup_steps=2, optimizer="adamw",
    checkpoint_every=2, eval_every=4, log_every=1, sample_every=0, condition_share=0.5,
)  # fmt: skip
GRIDS = {
    # name: processes that share a pack, model, FSDP2
    "four": (4, MODEL, False),
    "two": (2, MODEL, False),
    "factorised": (2, FACTORISED, False),
    "sharded": (2, MODEL, True),
}
"""What four processes run: those in a row of the grid share packs, rows have packs of their own."""
RUNS = {
    "whole": ({"context_parallel": 2, "fsdp": True}, None),
    "cut": ({"context_parallel": 2, "fsdp": True}, 3),
    "cut again": ({"context_parallel": 2, "fsdp": True}, None),
    "there": ({"context_parallel": 4}, 3),
}


def outputs_and_gradients(model: DiT, packs: list[Batch], context: Context, total: float) -> dict:
    """Outputs of ``packs`` for all tokens, and gradients of the loss over all packs of all processes."""
    outs = []
    for batch in packs:
        part = batch.part(context)
        outs.append(model(part.x_t, part.levels, part.layout, part.given).detach())
        if context.size > 1:
            outs[-1] = gathered(outs[-1], len(batch.x_t), context)
        (pack_loss(model, part) / total).backward()
    sum_gradients(model)
    grads = {name: p.grad for name, p in model.named_parameters()}
    whole = {name: g.full_tensor() if is_shard(g) else g for name, g in grads.items()}
    return {"out": outs, "grad": whole}


def sample(config: DiTConfig, context: Context) -> list[torch.Tensor]:
    """A guided step and a half of Heun's, one clip starting from a given frame, one with a caption."""
    known = torch.full((4, 3, 4, 4), 0.5)
    return generate(
        awake_dit(config),
        [(3, 4, 4), (1, 6, 4)],
        [None, torch.ones(3, TEXT_DIM)],
        SamplerConfig(steps=2, solver="heun", guidance=3.0, rule="apg", interval=(0.5, 1.0)),
        conditions=[given_latents(known, given_frames(3, "first")), None],
        context=context,
    )


def train_for_test(folder: Path, out: Path, options: dict, stop: int | None, rank=0, world=1):
    config = replace(CONFIG, **options)
    place = data_place(config.context_parallel, rank, world)
    data = TrainingPacks(
        folder,
        held_out_share=0.15,
        token_budget=40,
        packs_per_step=2,
        rank=place[0],
        world=place[1],
    )
    return train(MODEL, config, data, out, resume=True, stop_after=stop)


def _found(rank: int, world: int, folder: str, root: str) -> None:
    for name, (size, config, fsdp) in GRIDS.items():
        context = open_context(size, config.heads, torch.device("cpu"))
        assert (context.size, context.rank) == (size, rank % size)
        model = awake_dit(config)
        if fsdp:
            spread(model, CONFIG, weights_mesh(torch.device("cpu")), torch.float32)
        row, rows = data_place(size, rank, world)
        packs = ragged_packs(Path(folder), config)
        found = outputs_and_gradients(model, packs[row::rows], context, sum(p.total for p in packs))
        found["packs"] = list(range(len(packs)))[row::rows]
        found["sample"] = None if fsdp else sample(config, context)
        torch.save(found, Path(root) / f"{name}-{rank}.pt")
    for name, (options, stop) in RUNS.items():
        train_for_test(Path(folder), Path(root) / name.split()[0], options, stop, rank, world)
        dist.barrier()


@pytest.fixture(scope="module")
def in_four(folder, tmp_path_factory) -> Path:
    """Folder of what each of four processes found."""
    root = tmp_path_factory.mktemp("found")
    workers = start_processes(WORLD, _found, str(folder), str(root))
    train_for_test(folder, root / "one", {}, None)
    end_processes(workers)
    train_for_test(folder, root / "there", {}, None)
    return root


@pytest.mark.parametrize("name", list(GRIDS))
def test_outputs_gradients_and_samples_are_those_of_one_process(folder, in_four, name):
    _, config, fsdp = GRIDS[name]
    packs = ragged_packs(folder, config)
    alone = outputs_and_gradients(awake_dit(config), packs, ALONE, sum(p.total for p in packs))
    sampled = sample(config, ALONE)
    assert all(p is not None and p.any() for p in alone["grad"].values()), "every weight is used"
    for rank in range(WORLD):
        found = torch.load(in_four / f"{name}-{rank}.pt")
        for number, out in zip(found["packs"], found["out"], strict=True):
            torch.testing.assert_close(out, alone["out"][number], atol=1e-5, rtol=0)
        for weight, grad in alone["grad"].items():
            # a sum in another order is off by some float32 steps of its largest numbers, 23 in `text.null`
            near = 1e-5 + 2e-6 * float(grad.abs().max())
            torch.testing.assert_close(
                found["grad"][weight], grad, atol=near, rtol=0, msg=lambda m, w=weight: f"{w}: {m}"
            )
        if not fsdp:
            for ours, theirs in zip(sampled, found["sample"], strict=True):
                torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)


def rows(out: Path) -> list[dict]:
    names = ("loss", "floor", "grad_norm", "held_out", "held_out_floor", "step")
    lines = json_lines(out / "metrics.jsonl")
    return [{name: line[name] for name in names if name in line} for line in lines]


def test_a_shared_run_trains_the_model_of_one_process(in_four):
    """Context of two by two rows of FSDP2 through the trainer: losses, held-out losses and weights of one process."""
    for ours, theirs in zip(rows(in_four / "one"), rows(in_four / "whole"), strict=True):
        assert theirs == pytest.approx(ours, rel=1e-4)
    one, two, on = (weights(in_four / name) for name in ("one", "whole", "there"))
    for name, weight in one.items():
        for other in (two, on):  # the latter was begun by four and ended by one
            torch.testing.assert_close(other[name], weight, atol=2e-3, rtol=1e-2, msg=name)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return dict(load_dit(out / "dit.safetensors").model.state_dict())


def test_a_shared_run_resumes_bit_for_bit(in_four):
    """It was stopped after three steps of which two were saved."""
    whole, cut = (weights(in_four / name) for name in ("whole", "cut"))
    assert all(torch.equal(cut[name], weight) for name, weight in whole.items())
    assert rows(in_four / "cut") == rows(in_four / "whole")


def test_what_cannot_be_shared_is_refused_by_name():
    with pytest.raises(ValueError, match="9 attention heads, which 2 processes.*one of 1, 3, 9"):
        check_heads(9, 2)
    with pytest.raises(ValueError, match="groups of 4 processes, and 6 is no multiple"):
        data_place(4, 1, 6)
    with pytest.raises(ValueError, match="needs 2 processes"):
        open_context(2, 4, torch.device("cpu"))
    assert open_context(1, 9, torch.device("cpu")) is ALONE
    assert [data_place(2, rank, 4) for rank in range(4)] == [(0, 2), (0, 2), (1, 2), (1, 2)]
