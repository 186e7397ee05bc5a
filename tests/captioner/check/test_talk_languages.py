"""Openings that speak of the video, in other languages than English."""

from __future__ import annotations

import pytest

from captioner.check.talk_languages import strip_openings


@pytest.mark.parametrize(
    ("language", "text", "left"),
    [
        ("fr", "Dans cette vidéo, on voit un chat. Il dort.", "Un chat. Il dort."),
        ("es", "El video muestra a una niña que salta.", "Una niña que salta."),
        ("pt", "O vídeo mostra um barco.", "Um barco."),
        ("it", "Nel video si vede una barca rossa.", "Una barca rossa."),
        ("de", "Das Video zeigt einen alten Bäcker.", "Ein alter Bäcker."),
        ("ru", "На видео показан мужчина с собакой.", "Мужчина с собакой."),
        ("zh", "该视频展示了一只橘猫。", "一只橘猫。"),
        ("ja", "この動画では、犬が走っている。", "犬が走っている。"),
        ("zh", "画面中央是一盏灯。", "画面中央是一盏灯。"),
        ("fr", "«La vidéo montre tout», dit-il.", "«La vidéo montre tout», dit-il."),
        ("en", "La vidéo montre un chat.", "La vidéo montre un chat."),
        ("fi", "Video näyttää kissan.", "Video näyttää kissan."),
    ],
)
def test_openings_go_and_the_rest_stays(language: str, text: str, left: str) -> None:
    assert strip_openings(text, language) == left
