"""Claims read back from dense captions are the scene; other wording leaves them open."""

from __future__ import annotations

import pytest

from pipeline.world.captions import place
from pipeline.world.claims import claims_of, claims_of_scene, untrained_pairs
from pipeline.world.scene import random_scene


@pytest.mark.parametrize("split", ["train", "heldout", "novel"])
def test_a_dense_caption_claims_its_scene(split: str) -> None:
    for seed in range(80):
        scene = random_scene(seed, split=split)
        claims = claims_of_scene(scene)
        assert (claims.camera, claims.background) == (scene.camera, scene.background)
        assert (claims.texture, claims.light) == (scene.texture, scene.light)
        for obj, claim in zip(scene.objects, claims.objects, strict=True):
            assert (claim.colour, claim.shape, claim.motion) == (obj.colour, obj.shape, obj.motion)
            assert (claim.size, claim.place) == (obj.size, place(obj))
            assert claim.speed == (obj.speed or None)
        still = claims_of_scene(scene, still=True)
        assert still.camera is None
        assert all(o.motion is None and o.place is not None for o in still.objects)
        assert bool(untrained_pairs(claims)) == (split == "novel")


def test_other_wording_leaves_fields_open() -> None:
    (one,) = claims_of("There is a red circle, moving left").objects
    assert (one.colour, one.size, one.place, one.speed) == ("red", None, None, None)
    assert claims_of("a dog in the rain").objects == ()


def test_what_training_never_showed() -> None:
    assert untrained_pairs(claims_of("A green square bounces up and down.")) == [
        "square that bounces up and down"
    ]
    assert untrained_pairs(claims_of("A purple ring stays still.")) == ["purple ring"]
    assert untrained_pairs(claims_of("A red circle moves left.")) == []
