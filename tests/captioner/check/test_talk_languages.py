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
        ("zh", "视频开始时,一名女孩站在雨中。", "开始时,一名女孩站在雨中。"),
        ("zh", "整个视频充满了欢乐的气氛。一头牛在吃草。", "一头牛在吃草。"),
        ("zh", "画面中,我们可以看到一只猫。视频没有声音。", "一只猫。"),
        ("zh", "从视频中可以看出，这是一家书店。", "这是一家书店。"),
        ("zh", "电视画面中出现一位主持人。", "电视画面中出现一位主持人。"),
        ("ja", "動画の冒頭では、職人が刀を研ぐ。", "冒頭では、職人が刀を研ぐ。"),
        ("ja", "犬がボールを追いかける様子が映っています。", "犬がボールを追いかける。"),
        ("ja", "テレビの画面には試合が映っている。", "テレビの画面には試合が映っている。"),
        (
            "ko",
            "영상에서는 요리사가 양파를 썰고 있습니다. 영상에는 소리가 없습니다.",
            "요리사가 양파를 썰고 있습니다.",
        ),
        ("fr", "La séquence s'achève sur un plan de la mer.", "À la fin, un plan de la mer."),
        (
            "es",
            "Al principio del video, una niña corre. No se escucha ningún audio.",
            "Al principio, una niña corre.",
        ),
        (
            "it",
            "Nel complesso, il video trasmette un senso di calma. Una barca dondola.",
            "Una barca dondola.",
        ),
        ("pt", "O vídeo termina com um gol.", "No final, um gol."),
        (
            "de",
            "Zu Beginn des Videos ist ein Boot am Steg zu sehen.",
            "Zu Beginn ein Boot am Steg.",
        ),
        ("de", "Das Video endet mit einer Nahaufnahme.", "Es endet mit einer Nahaufnahme."),
        ("ru", "В начале видео девочка открывает книгу.", "В начале девочка открывает книгу."),
        ("fi", "Video näyttää kissan.", "Video näyttää kissan."),
    ],
)
def test_openings_go_and_the_rest_stays(language: str, text: str, left: str) -> None:
    assert strip_openings(text, language) == left
