"""Free memory: the least of what the machine and its container leave."""

from __future__ import annotations

from pathlib import Path

from pipeline.store import machine


def test_memory_of_a_container_counts_what_it_could_give_back(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\nactive_file 50\ninactive_file 100\n")
    assert machine.of_container(tmp_path) == 450
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.of_container(tmp_path) is None
    assert machine.of_container(tmp_path / "none") is None


def test_memory_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:     5 kB\n")
    assert machine.of_machine(tmp_path / "meminfo") == 5120
    assert machine.of_machine(tmp_path / "none") is None
    free = machine.free_memory()
    assert free is None or free > 0
