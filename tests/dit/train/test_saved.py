"""Which checkpoint a run goes on from, where it has gone from one form to the other."""

from dit.train.saved import latest_state, read_state, step_folder, step_folders
from pipeline.training.state import save_state


def test_the_checkpoint_with_more_steps_counts(tmp_path):
    assert latest_state(tmp_path) is None
    save_state(tmp_path / "state.pt", {"step": 7})
    assert latest_state(tmp_path) == tmp_path / "state.pt"
    for step in (3, 12):
        save_state(step_folder(tmp_path, step) / "run.pt", {"step": step})
    (tmp_path / "checkpoints" / ".step-00000013.partial").mkdir()
    assert [path.name for path in step_folders(tmp_path)] == ["step-00000003", "step-00000012"]
    newest = latest_state(tmp_path)
    assert newest == step_folder(tmp_path, 12)
    assert read_state(newest) == {"step": 12, "folder": newest}
    save_state(tmp_path / "state.pt", {"step": 13})
    assert read_state(latest_state(tmp_path)) == {"step": 13}
