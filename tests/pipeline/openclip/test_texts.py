"""Sentence labels read back exactly what the scene says, and sit on the full stops."""

from pipeline.openclip.texts import SLOTS, TokenisedTexts, sentence_slots
from pipeline.openclip.tokenizer import PAD_ID, train_bpe
from pipeline.world.captions import PLACES, caption, place
from pipeline.world.scene import (
    BACKGROUNDS,
    CAMERAS,
    COLOURS,
    LIGHTS,
    MOTIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    random_scene,
)


def test_every_sentence_of_a_dense_caption_gives_back_its_part_of_the_scene() -> None:
    places = [p for row in PLACES for p in row]
    for seed in range(150):
        scene = random_scene(seed)
        sentences = caption(scene, "dense").split(". ")
        for obj, sentence in zip(scene.objects, sentences, strict=False):
            expected = {
                "colour": list(COLOURS).index(obj.colour),
                "size": list(SIZES).index(obj.size),
                "shape": SHAPES.index(obj.shape),
                "motion": MOTIONS.index(obj.motion),
                "place": places.index(place(obj)),
            }
            if obj.speed:
                expected["speed"] = ["slowly", "quickly"].index(obj.speed)
            assert sentence_slots(sentence) == expected, sentence
        ground, camera, light = (sentence_slots(s) for s in sentences[-3:])
        assert ground == {
            "background": list(BACKGROUNDS).index(scene.background),
            "texture": TEXTURES.index(scene.texture),
        }
        assert camera == {"camera": CAMERAS.index(scene.camera)}
        assert light == {"light": LIGHTS.index(scene.light)}


def test_sentences_of_nothing_state_nothing() -> None:
    assert sentence_slots("a black screen") == {} == sentence_slots("")


def test_labels_sit_on_the_full_stops() -> None:
    text = caption(random_scene(3), "dense")
    tokenizer = train_bpe([text] * 3)
    texts = TokenisedTexts([[text, "a ring"], [text]], tokenizer)
    assert texts.number(text) == 0 and len(texts.ids) == 2
    ends = [end for end, _ in texts.labels[0]]
    assert [tokenizer.id_to_token(texts.ids[0][end]) for end in ends] == ["."] * text.count(".")
    assert all(len(row) == len(SLOTS) for _, row in texts.labels[0])
    assert texts.labels[1] == []
    padded = texts.padded([0, 1])
    assert padded.shape == (2, len(texts.ids[0])) and int(padded[1, -1]) == PAD_ID
