"""Assertions lost and added by every caption dialect, over 500 structured captions: half of the world, half composed.

    python -m benchmarks.dialects [--captions 500]

A caption of the world is its truth, taken apart. A composed one fills each field at random with words of open subjects,
so that looks before and after their noun, counts, several subjects, text and events all occur.
"""

from __future__ import annotations

import argparse
import random

from captioner.ask.structured import Event, Structured, Subject, parse
from captioner.check.derive import derive_structured
from captioner.dialects.kept import added, assertions, lost
from captioner.dialects.write import DIALECTS, Told
from pipeline.world.captions import caption
from pipeline.world.scene import random_scene

NAMES = ("dog", "woman", "red tram", "chef", "sailboat", "child", "robot arm", "heron", "old man")
PLURAL = ("dogs", "dancers", "cyclists", "paper boats", "lanterns")
LOOKS = ("small brown", "in a blue coat", "with a leather collar", "", "tall", "covered in snow")
ACTIONS = ("runs along the shore", "turns towards the camera", "lifts a cup", "", "drifts past")
PLACES = ("on the left", "near the window", "", "at the bottom right")
GROUNDS = ("a sunlit kitchen", "wet cobblestones at night", "", "an empty stadium")
CAMERAS = ("pans left", "slow push-in", "is static", "", "follows the rider")
LIGHTS = ("soft window light", "comes from the left", "", "is harsh")
STYLES = ("hand-drawn animation", "grainy documentary footage", "")
TEXTS = ([], ["OPEN"], ["EXIT", "Platform 9"])
EVENTS = ("a gull lands", "the lights go out", "she opens the door")


def composed(rng: random.Random) -> Structured:
    """A structured caption with fields drawn at random."""
    subjects = []
    for _ in range(rng.randint(1, 3)):
        count = rng.choice((1, 1, 2, 3, 12, None))
        name = rng.choice(NAMES if count == 1 else PLURAL)
        subjects.append(
            Subject(
                name=name,
                count=count,
                appearance=rng.choice(LOOKS),
                action=rng.choice(ACTIONS),
                position=rng.choice(PLACES),
            )
        )
    times = sorted(round(rng.uniform(0, 5), 1) for _ in range(2))
    events = [Event(start_s=times[0], end_s=times[1] + 0.2, what=rng.choice(EVENTS))]
    return Structured(
        subjects=subjects,
        background=rng.choice(GROUNDS),
        camera=rng.choice(CAMERAS),
        lighting=rng.choice(LIGHTS),
        style=rng.choice(STYLES),
        text=list(rng.choice(TEXTS)),
        events=events if rng.random() < 0.5 else [],
    )


def of_the_world(seed: int) -> Structured:
    """The structured caption of a scene of the world."""
    text = derive_structured(caption(random_scene(seed), "dense"))
    assert text is not None
    return parse(text)


def planted(told: Told) -> str:
    """Prose with its last sentence left out and a cat put in: what the measure must find."""
    return DIALECTS["prose"](told).rpartition(". ")[0] + ". A cat sleeps."


def main() -> None:
    """Print, for each dialect, captions with a loss or an addition, and what was lost or added first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=500)
    count = parser.parse_args().captions
    rng = random.Random(0)
    told = [composed(rng) if i % 2 else of_the_world(i) for i in range(count)]
    total = sum(len(assertions(fields)) for fields in told)
    print(f"{count} captions, {total} assertions")
    for name, write in {**DIALECTS, "planted": planted}.items():
        gone: list[str] = []
        new: list[str] = []
        touched = 0
        for fields in told:
            text = write(Told(prose="", fields=fields))
            missing, extra = lost(fields, text), added(fields, text)
            touched += bool(missing or extra)
            gone += [f"{place} of {text!r}" for place in missing]
            new += [f"{word!r} in {text!r}" for word in extra]
        print(f"{name:7} lost {len(gone)}, added {len(new)} words, {touched} captions touched")
        for line in [*gone[:2], *new[:2]]:
            print(f"        {line}")


if __name__ == "__main__":
    main()
