"""The net over a file in pieces is the net over the whole file, and torch agrees with numpy."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.shots import net as shot_net
from pipeline.shots.net import INPUTS, OUTPUTS, REACH, ShotNet, inputs, load_weights, run_net
from pipeline.shots.signatures import COLUMNS, LAGS


def test_a_file_in_chunks_is_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shot_net, "_WINDOW", 100)
    columns = np.random.default_rng(0).random((533, COLUMNS), dtype=np.float32)
    net, parts = ShotNet(), []
    for start in range(0, 533, 37):
        parts += net.add(columns[start : start + 37])
        assert len(net._kept) < 100 + 2 * REACH + 37
    found = np.concatenate([*parts, net.finish()])
    whole = run_net(inputs(columns), load_weights())
    assert len(parts) == 4 and found.shape == (533, len(OUTPUTS))
    np.testing.assert_allclose(found, whole, atol=1e-4)


def test_outputs_depend_on_no_more_than_the_reach() -> None:
    rng = np.random.default_rng(1)
    columns = rng.random((400, COLUMNS), dtype=np.float32)
    other = columns.copy()
    other[200:] = rng.random((200, COLUMNS), dtype=np.float32)
    a, b = (run_net(inputs(each), load_weights()) for each in (columns, other))
    np.testing.assert_allclose(a[: 200 - REACH], b[: 200 - REACH], atol=1e-5)
    assert np.abs(a - b)[199].max() > 1e-3


def test_a_mix_of_two_pictures_fits_and_weighs_half() -> None:
    """Pictures on a line: the distance doubles with the lag, so the one between is a mix in equal parts."""
    columns = np.zeros((200, COLUMNS), np.float32)
    for k, lag in enumerate(LAGS):
        columns[:, 2 * len(LAGS) + k] = 0.005 * lag
    middle = inputs(columns)[100]
    assert middle.shape == (INPUTS,)
    left, weight = middle[COLUMNS::2], middle[COLUMNS + 1 :: 2]
    assert np.all(left < 0.05) and weight[4:] == pytest.approx(0.5, abs=0.05)


def test_the_weights_fit_the_net_and_the_package() -> None:
    weights = load_weights()
    assert weights["in.weight"].shape == (64, INPUTS)
    assert shot_net.WEIGHTS.stat().st_size < 300_000
    assert (shot_net.WEIGHTS.parent / "CARD.md").exists()


def test_torch_says_the_same() -> None:
    torch = pytest.importorskip("torch")
    weights = load_weights()
    x = np.random.default_rng(2).random((90, INPUTS), dtype=np.float32)
    h = torch.relu(torch.from_numpy(x @ weights["in.weight"].T + weights["in.bias"])).T[None]
    for k, step in enumerate(shot_net.DILATIONS):
        kernel, bias = (torch.from_numpy(weights[f"conv{k}.{part}"]) for part in ("weight", "bias"))
        h = h + torch.relu(torch.nn.functional.conv1d(h, kernel, bias, padding=step, dilation=step))
    expected = h[0].T.numpy() @ weights["out.weight"].T + weights["out.bias"]
    np.testing.assert_allclose(run_net(x, weights), expected, atol=1e-3)
