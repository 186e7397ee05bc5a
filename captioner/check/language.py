"""Is a text in the language that was asked for? Per sentence, by script and function words, quoted text left out.

Captions name foreign things and quote foreign signs; a sentence in another language uses that language's small words.
A library that identifies languages needs longer texts than one sentence and knows nothing of quotes.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

QUOTED = re.compile(
    '"[^"\n]{0,200}"|[\u300c\u300e\u300a][^\u300d\u300f\u300b\n]{0,80}[\u300d\u300f\u300b]'
    "|\u201e[^\u201c\u201d\n]{0,200}[\u201c\u201d]"
    "|\u201c[^\u201d\n]{0,200}\u201d|\u00ab[^\u00bb\n]{0,200}\u00bb"
    "|(?<![\\w])['\u2018][^'\u2019\n]{0,80}['\u2019](?!\\w)"
)
"""What stands in quotes."""
SENTENCES = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s*|\n+")

_ENGLISH_WORDS = (
    "a an the of in is are on at to and with it its from by as this that there while for into over under behind "
    "near "
    "between has have their his her be one two i very all more only can do any see who which or but not no up "
    "down off out through across before after "
    "then when where he she they them him what so some other each against along around above below was were"
)
_FOREIGN_WORDS = {
    "de": "der die das den dem des ein eine einen einem einer und ist sind mit von zu auf im am aus bei nach "
    "vor über "
    "unter während nicht sich er sie es sein ihr wird auch dann zwei durch hinter neben",
    "es": "el la los las un una unos unas de del y en con por para que se su sus al es son mientras no lo como "
    "desde "
    "hacia sobre detrás luego dos junto entre",
    "fr": "le la les un une des de du et en dans avec par pour que qui se sa son ses au aux est sont pendant ne "
    "pas sur "
    "derrière puis deux ensuite il elle ils elles tandis",
    "it": "il lo la i gli le un uno una di del della dei delle e in con per che si suo sua al alla è sono "
    "mentre non "
    "nel nella sul sulla dietro poi due da",
    "pt": "o a os as um uma de do da dos das e em com por para que se seu sua ao à é são enquanto não no na "
    "pelo pela "
    "atrás depois dois perto",
    "nl": "de het een en van met op aan bij naar uit voor door over onder terwijl niet zich hij zij ze zijn "
    "haar wordt "
    "ook dan twee achter naast hem",
    "sv": "och en ett den det de som med på av till från vid under över medan inte sig han hon är har hans hennes "
    "två bakom sedan genom",
    "no": "og en et den det de som med på av til fra ved under over mens ikke seg han hun er har to bak gjennom i",
    "pl": "i w na z ze do od po za nad pod przez przy jest są się nie to ten ta który która jego jej dwa dwie a "
    "obok podczas potem o",
    "tr": "bir ve ile bu şu o da de için gibi çok daha ise olarak iki sonra önce",
    "id": "yang dan di ke dari dengan untuk pada seorang sebuah ini itu adalah tidak sedang dua di",
    "vi": "một và của trong trên với cho là có đang các những người không từ đến",
}
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_FOREIGN = {name: frozenset(words.split()) - _ENGLISH for name, words in _FOREIGN_WORDS.items()}
_ANY_FOREIGN = frozenset().union(*_FOREIGN.values())
_MORE = {
    "de": "im in an als wie so noch nur über durch gegen ohne bis zum zur vom beim man eines ihre ihren seine seinen "
    "seiner dieser diese dieses kein keine mehr sehr hat haben wird werden steht",
    "es": "una este esta estos muy más su tiene hay está están también cada todo toda le sin entre cuando donde ya",
    "fr": "d l s n c il cette ce ces cet très plus leur leurs tout toute sous où sans entre contre vers à",
    "it": "l un d gli da nello negli dal dalla dai alle ai questo questa molto più loro ha hanno come dove tra fra "
    "verso sotto sopra senza",
    "pt": "na nas nos ele ela este esta muito mais está estão tem também sem entre sobre sob quando onde cada "
    "às aos uns",
    "nl": "die dat deze dit er maar tot tegen tussen tegen langs als",
    "sv": "på är som i sin sitt sina ett det den om mot mellan där",
    "no": "på er som i sin sitt sine et om mot mellom der",
}
"""Small words that are too like English or each other's to tell a language by, but that speak for one's own."""
_OWN = {
    name: frozenset((words + " " + _MORE.get(name, "")).split())
    for name, words in _FOREIGN_WORDS.items()
}
_SPANS = {
    "han": (("\u4e00", "\u9fff"), ("\u3400", "\u4dbf"), ("\uf900", "\ufaff")),
    "kana": (("\u3040", "\u30ff"), ("\uff66", "\uff9f")),
    "hangul": (("\uac00", "\ud7af"), ("\u1100", "\u11ff"), ("\u3130", "\u318f")),
    "cyrillic": (("\u0400", "\u052f"),),
    "arabic": (("\u0600", "\u06ff"), ("\u0750", "\u077f")),
    "hebrew": (("\u0590", "\u05ff"),),
    "devanagari": (("\u0900", "\u097f"),),
    "thai": (("\u0e00", "\u0e7f"),),
}
_SCRIPTS = {
    "zh": ("han",), "ja": ("kana", "han"), "ko": ("hangul",), "ru": ("cyrillic",), "uk": ("cyrillic",),
    "ar": ("arabic",), "he": ("hebrew",), "hi": ("devanagari",), "th": ("thai",),
}  # fmt: skip
"""Scripts of languages that are not written in Latin letters."""
_SPELLED = frozenset({"ru", "uk", "ar", "he", "hi", "th"})
"""Of these, those that write sounds with a letter each."""
_LATIN = frozenset({"cs", "fi"})
FEW_WORDS = 4
"""Sentences with fewer words are not judged by themselves."""
FEW_LETTERS = 6
"""Texts with fewer letters have no language."""


def unquoted(text: str) -> str:
    """The text with what stands in quotes left out: what a sign says is not what the caption says."""
    return QUOTED.sub(' "" ', text)


def hide_quotes(text: str) -> tuple[str, list[str]]:
    """The text with a mark in place of each quotation (U+E000, its number, U+E001), and the quotations."""
    quotes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        quotes.append(match[0])
        return f"\ue000{len(quotes) - 1}\ue001"

    return QUOTED.sub(hide, text), quotes


def show_quotes(text: str, quotes: list[str]) -> str:
    """The text with the quotations in place of their marks; it may have lost some of them."""
    return re.sub("\ue000(\\d+)\ue001", lambda mark: quotes[int(mark[1])], text)


@lru_cache(maxsize=64)
def is_off_language(text: str, language: str = "en") -> bool:
    """Some sentence, or the whole, is not in ``language``; foreign names and quotations may occur.

    Of a language whose small words are not known here (Hindi, Finnish), only another script is found.
    """
    own = unquoted(text)
    code = language[:2].lower()
    if code in _SCRIPTS:
        return _other_script_than(own, code)
    if code != "en" and code not in _FOREIGN and code not in _LATIN:
        return False
    if _other_script(own):
        return True
    if code != "en":
        return code in _FOREIGN and any(
            len(words) >= FEW_WORDS and _not_in(words, code)
            for words in (_words(sentence) for sentence in (own, *SENTENCES.split(own)))
        )
    sentences = [_words(sentence) for sentence in SENTENCES.split(own)]
    if any(len(words) >= FEW_WORDS and _foreign(words) for words in sentences):
        return True
    words = [word for sentence in sentences for word in sentence]
    return len(words) >= 8 and sum(word in _ENGLISH for word in words) < 0.12 * len(words)


def _not_in(words: list[str], code: str) -> bool:
    """The small words are another language's: two or more that ``code`` has not, and more than ``code`` has alone."""
    for other, known in (("en", _ENGLISH), *_OWN.items()):
        theirs = sum(word in known and word not in _OWN[code] for word in words)
        own = sum(word in _OWN[code] and word not in known for word in words)
        if other != code and theirs >= 2 and theirs > own and theirs >= 0.15 * len(words):
            return True
    return False


def _other_script_than(text: str, code: str) -> bool:
    """Less than half of the letters are of the language's script, or kana stand in a text that should be Chinese."""
    letters = [c for c in text if c.isalpha()]
    if len(letters) < FEW_LETTERS:
        return False
    counted = Counter(_script(c) for c in letters)
    # A letter of these scripts is a syllable or a word; a Latin word has five letters or so.
    own = sum(counted[script] for script in _SCRIPTS[code]) * (1 if code in _SPELLED else 4)
    if own < len(letters) - sum(counted[script] for script in _SCRIPTS[code]):
        return True
    if code == "zh":
        return counted["kana"] >= max(3, 0.1 * len(letters))
    if code == "ja":
        return counted["kana"] == 0 and counted["han"] >= 2 * FEW_LETTERS
    if code == "uk":
        return not re.search(r"[іїєґ]", text, re.I) and bool(re.search(r"[ыэъё]", text, re.I))
    if code == "ru":
        return bool(re.search(r"[іїєґ]", text, re.I)) and not re.search(r"[ыэъё]", text, re.I)
    return False


def _script(char: str) -> str:
    for name, spans in _SPANS.items():
        if any(low <= char <= high for low, high in spans):
            return name
    return "latin"


def _foreign(words: list[str]) -> bool:
    english = sum(word in _ENGLISH for word in words)
    said = [word for word in words if word in _ANY_FOREIGN]
    most = max(sum(word in known for word in said) for known in _FOREIGN.values())
    return most >= 2 and most > english and most >= 0.2 * len(words)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def _other_script(text: str) -> bool:
    """A word's worth of letters of another script than Latin; single Greek letters are symbols."""
    if text.isascii():
        return False
    foreign = [c for c in text if c.isalpha() and not _latin(c)]
    return sum(2 if c >= "\u2e80" else 1 for c in foreign) >= 4


def _latin(char: str) -> bool:
    return char <= "\u024f" or "\u1e00" <= char <= "\u1eff" or char in "\u02bc\u2019\u00b5\u2126"
