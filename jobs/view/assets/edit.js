// Edits: sent one by one, on the server's disk before they are answered, and undone from the message that says so.
import { post, toast } from "./core.js";
import { emit, me, state, tried } from "./state.js";

export const undoable = [];

export function edit(clip, action, value, { why = "", said = "Saved" } = {}) {
  return tried(async () => {
    const made = await post("/api/edit", { clip, action, value, why, who: me() });
    state.version = made.version;
    undoable.push({ id: made.id, clip });
    emit("edited", { id: clip, by_hand: made.by_hand });
    toast(said, { action: ["Undo", () => undo(made.id, clip)] });
    return made;
  });
}

export function undo(id, clip) {
  return tried(async () => {
    const made = await post("/api/undo", { of: id, who: me() });
    state.version = made.version;
    const at = undoable.findIndex((each) => each.id === id);
    if (at >= 0) undoable.splice(at, 1);
    toast("Undone", { action: ["Redo", () => undo(made.id, clip)] });
    emit("undone", { clip });
  });
}

export function undoLast() {
  const last = undoable.at(-1);
  if (last) return undo(last.id, last.clip);
  toast("Nothing to undo here; the list of edits has the rest");
  return undefined;
}
