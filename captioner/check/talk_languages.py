"""Talk about the video in captions that are asked for in other languages: how sentences open, per language."""

from __future__ import annotations

import re

from captioner.check.language import QUOTED

_FR = r"(?:vidéo|séquence|clip|extrait|images?|scène|enregistrement)"
_ES = r"(?:vídeo|video|clip|secuencia|escena|im[aá]gen(?:es)?|grabación|fotogramas)"
_IT = r"(?:video|clip|filmato|sequenza|scena|immagin[ei])"
_PT = r"(?:vídeo|video|clipe|sequência|cena|imagem|imagens|gravação)"
_DE = r"(?:Video(?:clip|aufnahme)?|Clip|Szene|Sequenz|Aufnahmen?|Bilder|Film|Ausschnitt)"
_PATTERNS: dict[str, tuple[str, ...]] = {
    "fr": (
        r"^(?:bien sûr|voici|d['’]accord)\b[^:.\n]{0,70}[:!]\s+",
        rf"^(?:dans|sur) (?:cette|la|ce|le|ces|les|l['’]) ?(?:courte |brève )?{_FR}(?: fournie?s?)?,? (?:(?:on"
        rf" (?:peut )?"
        r"(?:voit|voir|observe|observer|aperçoit)|nous (?:voyons|pouvons voir)) )?",
        rf"^(?:cette|la|ce|le|ces|les|l['’]) ?(?:courte |brève )?{_FR} (?:courte )?(?:montre|présente|illustre|capture"
        r"|met en scène|dépeint|commence (?:par|avec)|s['’]ouvre sur|débute (?:par|avec))(?:nt)? ",
        r"^on (?:peut voir|voit|observe|aperçoit) ",
    ),
    "es": (
        r"^(?:claro|por supuesto|aquí (?:tienes|está))\b[^:.\n]{0,70}[:!]\s+",
        rf"^en (?:este|el|esta|la|estas|las) (?:breve |corto )?{_ES},? (?:(?:se (?:puede (?:ver|observar)|ve|observa"
        r"|muestra)|vemos|podemos ver) (?:a (?=un|la|el|dos|los|las))?)?",
        rf"^(?:el|este|la|esta|los|las) (?:breve |corto )?{_ES} (?:muestra|presenta|captura|retrata|comienza con"
        r"|empieza con|inicia con|muestran|presentan) (?:a (?=un|la|el|dos|los|las))?",
        r"^se (?:puede ver|puede observar|ve|observa) (?:a (?=un|la|el|dos|los|las))?",
    ),
    "it": (
        rf"^(?:in|nel|nella|nelle) ?(?:questo |questa |queste )?(?:breve )?{_IT},? (?:(?:si (?:vede|può vedere)"
        rf"|vediamo) )?",
        rf"^(?:il|questo|la|questa|le|queste) (?:breve )?{_IT} (?:mostra|presenta|ritrae|cattura|inizia con|mostrano) ",
        r"^si (?:vede|può vedere) ",
    ),
    "pt": (
        rf"^(?:neste|no|nesta|na|nestas|nas) (?:breve )?{_PT},? (?:(?:vemos|podemos ver|é possível ver|vê-se) )?",
        rf"^(?:o|este|a|esta|as|estas) (?:breve )?{_PT} (?:mostra|apresenta|retrata|captura|começa com|mostram) ",
        r"^(?:vê-se|podemos ver) ",
    ),
    "de": (
        rf"^in (?:diesem|dem|dieser|der) (?:kurzen )?{_DE} (?:sieht man|sehen wir|ist zu sehen, wie) ",
        rf"^(?:das|dieses|der|dieser|die|diese) (?:kurze )?{_DE} (?:zeigt|zeigen|beginnt mit|beginnen mit) ",
        r"^(?:man sieht|wir sehen|zu sehen (?:ist|sind)) ",
    ),
    "ru": (
        r"^(?:на|в) (?:этом |данном )?(?:видео|ролике|видеозаписи|кадрах) (?:показан[аоы]?|изображ[её]н[аоы]?|мы видим"
        r"|видно, как) ",
    ),
    "zh": (
        r"^(?:好的[，,。]?)?(?:以下|下面)是[^：:\n]{0,30}[：:]\s*",
        r"^(?:在)?(?:这段|该|这个|此|本|这)?(?:视频|影片|短片|片段)(?:片段)?(?:中|里)[，,]?(?:我们可以看到|可以看到|我们看到)?"
        r"(?:展示了|显示了|出现了)?",
        r"^(?:这段|该|这个|此|本|这|整个)?(?:视频|影片|短片|片段|画面|镜头画面)(?:片段)?(?:主要)?(?:展示|显示|描绘|呈现|记录|展现"
        r"|拍摄|讲述|捕捉)(?:了|的是|出)?(?:这样一个场景[，,：:])?",
        r"^(?:我们)?可以看到[，,]?",
    ),
    "ja": (
        r"^(?:この|本|その)?(?:短い)?(?:動画|映像|ビデオ|クリップ)(?:の中)?(?:では|には)、?",
    ),
    "ko": (r"^(?:이 )?(?:짧은 )?(?:영상|동영상|비디오)(?:에서는|에는|에서) ",),
}  # fmt: skip
_OPENINGS = {
    language: tuple(re.compile(pattern, re.I) for pattern in patterns)
    for language, patterns in _PATTERNS.items()
}
_SPLIT = re.compile(r"(?<=[.!?。！？])(\s*)(?=\S)")
_WEAK = {"jungen": "Junge", "löwen": "Löwe", "hasen": "Hase", "affen": "Affe", "bären": "Bär"}
"""German nouns that change as an object."""


def strip_openings(text: str, language: str) -> str:
    """A text in ``language`` (``fr``, ``zh``) without openings that speak of the video; English is not looked at."""
    patterns = _OPENINGS.get(language[:2].lower(), ())
    if not patterns:
        return text
    quotes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        quotes.append(match[0])
        return f"\ue000{len(quotes) - 1}\ue001"

    parts = _SPLIT.split(QUOTED.sub(hide, text))
    for i in range(0, len(parts), 2):
        for _ in range(2):
            for pattern in patterns:
                hit = pattern.match(parts[i])
                if hit and len(rest := parts[i][hit.end() :].strip()) >= 4:
                    rest = _as_subject(rest) if language[:2].lower() == "de" else rest
                    parts[i] = rest[:1].upper() + rest[1:]
                    break
    return re.sub("\ue000(\\d+)\ue001", lambda m: quotes[int(m[1])], "".join(parts))


def _as_subject(rest: str) -> str:
    """A German object as what a sentence is about: ``einen alten Bäcker`` as ``ein alter Bäcker``."""
    hit = re.match(r"(einen|den) ((?:[a-zäöüß-]+en ){0,3})([A-ZÄÖÜ][\wäöüß-]+)", rest)
    if not hit:
        return rest
    ending, article = ("er ", "ein") if hit[1] == "einen" else ("e ", "der")
    adjectives = re.sub(r"en ", ending, hit[2])
    noun = _WEAK.get(hit[3].lower(), hit[3])
    return f"{article} {adjectives}{noun}{rest[hit.end() :]}"
