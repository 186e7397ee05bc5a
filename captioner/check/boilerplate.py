"""Talk about the video, or about answering, instead of what is seen: found and taken out by one grammar.

What a video model must learn stays: shot sizes, styles, speeds and viewpoints ("an aerial shot of", "a slow-motion
video of", "this black-and-white footage shows"), what the camera does, when things happen, and where they are in the
picture ("in the center of the image"). Only a medium without any such word is empty talk. What is said in quotation
marks is never touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from captioner.check.language import QUOTED

_EMPTY = (
    r"(?:(?:short|brief|quick|little|provided|given|supplied|following|entire|whole|full|current|present|attached"
    r"|uploaded|shared|sample|input|shown|described|original|particular|same|\w+[- ]second(?:s|[- ]long)?|\d+"
    r"|two|three|four|five|six|seven|eight|single|camera|raw|video|image|film|user[- ]provided),? )"
)
"""Adjectives of a medium that say nothing of what is seen."""
_PLAIN = (
    r"(?:video(?: (?:clip|footage|sequence|recording|segment|snippet)s?)?|videos|clips?|footage|images?|pictures?"
    r"|photos?|photographs?|frames?|stills?|sequences?|scenes?|snippets?|recordings?|visuals?|segments?|shots?|gif"
    r"|screenshots?|(?:series|sequence|set|collection) of (?:\w+ )?(?:frames|images|pictures|photos|stills"
    r"|screenshots))"
)
_GIVEN = (
    r"(?: (?:provided|given|above|below|shown|itself|you (?:sent|shared|provided|uploaded)|here))?"
)
_BARE = rf"(?:this|the|these|that|those|our|your) {_EMPTY}*{_PLAIN}{_GIVEN}"
"""``the short video clip``: a medium of which nothing is said."""
_TIMES = (
    r"(?:first|second|third|fourth|next|last|final|opening|closing|previous|subsequent|initial|later|latter|middle"
    r"|early|ending|establishing|remaining|rest|other|same|camera|title)"
)
_STYLED = (
    rf"(?:this|the) ((?!{_TIMES}\b)(?:(?!(?:is|are|was|were|of|in|on|at|with|and|a|an|the|to|from|his|her|its"
    r"|their|who|that|which|as|by|for|shows?|man|woman|person|boy|girl|people|child)\b)[\w-]+,? ){1,4})"
    r"((?:video|clip|footage|images?|pictures?|photo(?:graph)?|sequence|scene|recording|shot|view|film|animation"
    r"|montage|timelapse|time-lapse|cartoon|rendering|close-up|closeup)(?: (?:clip|footage|shot|sequence|video))?)"
)
"""``this grainy black-and-white`` ``footage``: style and medium, which stay."""
_KINDS_OF = r"(?:this|the) (animation|montage|timelapse|time-lapse|cartoon|close-up|closeup|animated gif|collage)"
_ADVERB = r"(?:,? (?:also|clearly|mainly|primarily|simply|briefly|just|prominently|vividly|initially|now|first))?"
_SEEMS = r"(?:(?:appears?|seems?) to )?"
_SHOWS = (
    rf"(?:{_SEEMS}(?:shows?|depicts?|features?|captures?|displays?|presents?|portrays?|illustrates?|showcases?"
    r"|contains?|includes?|documents?|reveals?|records?|highlights?|chronicles?|demonstrates?|conveys?|evokes?|exudes?"
    r"|consists? of|provides? (?:a|an) "
    r"(?:\w+ )?(?:view|look|glimpse) (?:of|at|into)|(?:offers?|gives?)(?: us)? (?:a|an) (?:\w+ )?(?:view|look|glimpse)"
    r" (?:of|at|into)|focus(?:es)? (?:closely |mainly |primarily )?(?:on|in on)|(?:is|are) (?:mainly |primarily )?"
    r"(?:focused on|cent(?:er|re)d (?:on|around)|composed of|comprised of)|cent(?:er|re)s (?:on|around)"
    r"|revolves around|unfolds with|(?:is|are) (?:of|about)(?= (?:an?|the|two|three|four|several|some|many|people"
    r"|men|women)\b)))"
)
_OPENS = r"(?:begins?|starts?|opens?|commences?|kicks off) (?:off )?(?:with|on|by showing|in on)"
_ENDS = r"(?:ends?|concludes?|finishes|closes|wraps up|culminates) (?:with|on|by showing|in)"
_THEN = r"(?:transitions?|cuts|shifts|switches|changes|moves on|fades|progresses) (?:to|into)(?: showing| show)?"
_THAT = r"(?: (?:us|that|how))?"
_NOUN = (
    r"(?=(?:an?|the|two|three|four|five|several|some|many|various|people|men|women|[a-z-]+(?:ing|s|ed)|[A-Z])\b"
    r"|\ue000)"
)
_DETERMINED = r"(?:an?|the|two|three|four|several|some|people|men|women)\b"
_SUMMING = (
    r"(?:(?:overall|in summary|in conclusion|to summari[sz]e|in short|in essence|essentially|additionally"
    r"|moreover),? )?"
)

_CHATTER = re.compile(
    r"^(?:let me know\b|(?:i )?hope (?:this|that) (?:helps|description|is|meets)\b|(?:please )?feel free to\b"
    r"|would you like (?:me|a|another|to)\b|do you (?:want|need) (?:me|more|any)\b"
    r"|if you(?:['’]d|['’]ll| would| want| need| have)\b[^.]{0,80}\b(?:let me|i can|i['’]ll|ask|feel free|know)\b"
    r"|(?:please )?(?:note|keep in mind) that (?:this|the|my|i)\b"
    r"|(?:this|the|my|the above) (?:description|summary|analysis) (?:is based|is limited|covers|captures|provides|aims"
    r"|reflects|should|does|adheres|follows)\b|(?:this|my) caption (?:is|covers|captures|provides|aims|follows)\b"
    r"|is there anything\b|happy to help\b|the above (?:is|describes|summari[sz]es)\b)",
    re.I,
)
"""A sentence to whoever asked."""
_LEAD = re.compile(
    r"^\W*(?:(?:sure|certainly|of course|okay|ok|absolutely|great|alright|definitely|gladly|got it|no problem)\b"
    r"(?: thing)?[^.!:,\n\ue000]{0,20}[.!:,—]\s*)?"
    r"(?:(?:here(?: is|['’]s| are)|below is|the following is|what follows is)\b[^:.\n\ue000]{0,60}\b(?:captions?"
    r"|descriptions?|summary|answer|paragraph|analysis|breakdown|response|overview|it|what['’]?s?)\b[^:.\n\ue000]{0,40}[:.]\s+"
    r"|here (?:you go|it is)[:.!]\s+)?"
    r"(?:\W*(?:[\w-]+ ){0,3}(?:caption|description|answer|summary|response|output|overview)(?: of (?:the|this) \w+"
    r"(?: \w+)?)?\W{0,3}(?:[:\n]|[-–—] )\W{0,3}\s*)?",
    re.I,
)
"""Phrases about answering, before the answer."""
_MOVIE = (
    r"(?:video|clip|footage|recording|sequence|film|reel)(?: (?:clip|footage|sequence|recording))?"
)
_OPENINGS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), replacement)
    for pattern, replacement in (
        (
            rf"^(?:in|within|across|during|from) {_BARE},?\s*there (?:is|are) "
            r"(?=(?:an?|two|three|several|some|many)\b)",
            "",
        ),
        # In this clip, | Based on the frames provided, it is clear that
        (
            rf"^(?:in|within|across|during|based on|from|judging (?:by|from)|according to|looking at|given|as seen in) "
            rf"{_BARE},\s*(?:and )?",
            "",
        ),
        (
            rf"^(?:in|within|across|during|from) {_BARE} "
            r"(?=(?:an?|the|two|three|four|several|some|many|we|you|there|it)\b)",
            "",
        ),
        (
            r"^(?:it (?:can be|is) (?:seen|clear|evident|apparent)|as (?:can be|is) seen),? (?:that )?",
            "",
        ),
        (r"^from what (?:we|you|i) can see,? ", ""),
        # The video shows | Overall, the footage captures
        (rf"^{_SUMMING}{_BARE}{_ADVERB} (?:{_SHOWS}|{_OPENS}){_THAT} ", ""),
        (
            rf"^{_SUMMING}{_BARE}, ((?:shot|filmed|captured|recorded|taken|rendered|presented|set) [^,.]{{3,60}}), "
            rf"{_SHOWS} {_NOUN}",
            r"\1, ",
        ),
        # The video follows | zooms in on: that is the camera
        (
            rf"^(?:this|the) {_EMPTY}*{_MOVIE}(,? then)? (follows|zooms|pans|tilts|pulls (?:back|out)|pushes|tracks"
            r"|circles|orbits) ",
            r"the camera\1 \2 ",
        ),
        (rf"^(?:this|the) {_EMPTY}*{_MOVIE}['’]s (?=\w)", "the "),
        (
            rf"^(?:the )?(?:video|footage|clip|recording|images?|frames) (?:{_SHOWS}|{_OPENS}){_THAT} ",
            "",
        ),
        (
            rf"^(?:finally, )?{_BARE}(?:,? (?:then|finally|eventually|ultimately|later))? {_ENDS} {_NOUN}",
            "at the end, ",
        ),
        (
            rf"^(?:finally, )?{_BARE}(?:,? (?:then|finally|eventually|ultimately|later))? ({_ENDS}) ",
            r"it \1 ",
        ),
        (
            rf"^{_BARE}(?:,? (?:then|later|next|subsequently|finally|eventually|abruptly|suddenly|smoothly|quickly))? "
            rf"{_THEN} {_NOUN}",
            "then ",
        ),
        (
            rf"^{_BARE},? (then|later|next|finally|eventually|subsequently),? {_SHOWS}{_THAT} ",
            r"\1 ",
        ),
        # The video is a close-up shot of | takes place in a kitchen, where
        (
            rf"^{_BARE} (?:is|are|appears to be|seems to be) (?=an? (?:[\w-]+,? ){{0,5}}(?:shot|view|close-up|closeup"
            r"|animation|timelapse|time-lapse|montage|recording|footage|clip|video|scene|perspective|vlog|tutorial"
            r"|advertisement|commercial|portrait|tour|cartoon|sequence|rendering|film|short|compilation|collage|slideshow|capture"
            r"|screencast)\b)",
            "",
        ),
        (
            rf"^(?:this|the) {_EMPTY}*{_MOVIE} (?:takes? place|is set|unfolds|begins|starts|opens) "
            r"(?=(?:in|on|at|inside|outside|under|near|by|along|beside|beneath|behind|between|above|over|within)\b)",
            "",
        ),
        # This is a video of | Footage of | A short clip showing
        (
            rf"^(?:this is|there is|it is|it['’]s|these are|here is|here we have) (?:(?:an?|the) )?{_EMPTY}*{_PLAIN} "
            rf"(?:of|in which|where|from|(?:that )?(?:{_SHOWS})|showing|featuring|depicting|capturing){_THAT} ",
            "",
        ),
        (
            r"^(?:this is|it is|it['’]s) (?=an? (?:[\w-]+,? ){0,5}(?:shot|view|close-up|closeup|animation|timelapse"
            r"|time-lapse|montage|footage|clip|video|film|perspective)\b)",
            "",
        ),
        (
            rf"^(?:(?:an?|one) {_EMPTY}*(?:video|clip|gif|snippet|recording)(?: clip| sequence| recording| footage)?"
            rf"|footage|{_EMPTY}?video footage|(?:an? )?{_EMPTY}*(?:series|sequence|set|collection) of"
            r" (?:\w+ )?(?:frames|images|pictures|photos|stills|screenshots)) "
            rf"(?:of|in which|where|from|(?:that )?(?:{_SHOWS})|showing|featuring|depicting|capturing|displaying"
            rf"|presenting){_THAT} "
            r"(?![^.]*\b(?:(?:plays?|is playing|runs?|loops?|hangs?) (?:on|in)|is (?:played|shown|projected))\b)",
            "",
        ),
        (
            rf"^(?:an?|one) {_EMPTY}*(?:image|picture|photo(?:graph)?|frame|still|shot|screenshot) "
            r"(?:showing|featuring|depicting|capturing|in which|that shows|of (?![^.]*\b(?:is|are|hangs?|stands?|lies"
            r"|sits|fills?)\b)(?=(?:an?|the|two|three|four|several|some)\b)) ?",
            "",
        ),
        # We can see | Here, viewers observe
        (
            r"^(?:here,? )?(?:(?:we|you|i)(?: can| could| may| will)?|(?:one|viewers|the viewers?)(?: can| could| may"
            r"| will))(?: (?:clearly|also|then|first|just))? (?:see|observe|watch|notice|witness|find)(?: that)? ",
            "",
        ),
        (r"^here,? (?:we|you) have ", ""),
        (
            r"^(next|then|finally|later|afterwards|eventually|in the background|in the foreground),? (?:we|you)"
            r"(?: can)?(?: also)? (?:see|observe|notice) ",
            r"\1, ",
        ),
        (
            r"^what (?:we|you)(?: are|['’]re| can)? (?:see|seeing|look at|looking at|have)(?: here)? (?:is|are) ",
            "",
        ),
    )
)
"""Phrases about the video at the opening of a sentence, and what stands for them."""
_ASIDES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), replacement)
    for pattern, replacement in (
        (
            rf"\bthroughout (?:the|this) (?:{_EMPTY})*(?:duration of (?:the|this) )?{_MOVIE}\b",
            "throughout",
        ),
        (
            rf"\bfor (?:the|most of the) (?:\w+ )?(?:duration|length|entirety) of (?:the|this) {_MOVIE}\b",
            "throughout",
        ),
        (rf"\b(?:over|in|during) the course of (?:the|this) {_EMPTY}*{_MOVIE}\b", "over time"),
        (
            rf"\b(at|by|near|towards?|until|from) the (very )?(start|beginning|end|opening|outset|middle|close) of "
            rf"(?:the|this) {_EMPTY}*{_MOVIE}\b",
            r"\1 the \2\3",
        ),
        (
            rf"\bas (?:the|this) {_MOVIE} (?:progresses|continues|goes on|unfolds|advances|proceeds|plays)\b",
            "over time",
        ),
        (
            rf",? as (?:seen|shown|depicted) in (?:the|this) {_EMPTY}*(?:{_MOVIE}|image|frames)\b",
            "",
        ),
        (
            rf"\bthe {_MOVIE}['’]s (?=(?:\w+ )?(?:subject|focus|style|tone|mood|pace|lighting|palette))",
            "the ",
        ),
        (
            rf"(?<!\bis)(?<!\bare)(?<!\bbe)(?<!\bwas)(?<!\bwere) (?:seen|shown|visible|featured|depicted|captured) in "
            rf"(?:the|this) {_EMPTY}*(?:video|clip|footage|frames|image)\b(?!['’-])",
            "",
        ),
        (
            rf"\b(first|second|third|last|final|latter|opening|initial|remaining) (part|half|portion|section|segment"
            rf"|moments|seconds|frames?) of (?:the|this) {_EMPTY}*{_MOVIE}\b",
            r"\1 \2",
        ),
        (
            rf",? (?:in|within|of) (?:this|the|these) {_EMPTY}*(?:video|clip|footage|frames|image|picture|photo)"
            r"(?: clip| sequence| footage)?(?=[,.;!?]| (?:is|are|was|were|has|have|wears?|stands?|sits?|walks?|runs?"
            r"|holds?|looks?|moves?|appears?|seems?|then|who|as|while|and|to|can)\b)",
            "",
        ),
    )
)
"""Phrases about the video further on, and what stands for them."""
_POSITION = re.compile(
    r"\b(?:cent(?:er|re)|middle|left|right|top|bottom|side|corner|edge|foreground|background|half|part|portion|third"
    r"|area|rest|frame)s?$",
    re.I,
)
"""Before "of the image": a place in the picture, or something that is said of it."""
_NOT_ALONE = re.compile(
    r"^(?:is|are|was|were|be|being|been|has|have|had|them|him|and|or|but|of|to|as|that|which|by|with|from|into)\b",
    re.I,
)
"""Openings with which the rest of a sentence does not stand by itself."""
_NOTHING_ELSE = re.compile(rf"^(?:in )?{_BARE}(?: {_SHOWS})?\W*$", re.I)
_SPLIT = re.compile(r"(?<=[.!?])\s+(?=[\"'(“\ue000]?[A-Z\ue000])")
_MEDIA_WORD = re.compile(
    r"\b(video|clip|image|picture|photo|photograph|film|recording|screenshot|footage)s?\b", re.I
)


@dataclass(frozen=True, kw_only=True)
class Stripped:
    """A text without its empty talk."""

    text: str | None
    """What is left, re-capitalised; None where nothing stands by itself."""
    found: tuple[str, ...]
    """The phrases that were found."""


def strip_boilerplate(text: str) -> Stripped:
    """Take talk about the video and about answering out of a text; sentences keep their order and all other words.

    ``The video shows a man. In this clip, he runs.`` becomes ``A man. He runs.``; ``This grainy footage shows a man``
    becomes ``Grainy footage of a man``.
    """
    quotes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        quotes.append(match[0])
        return f"\ue000{len(quotes) - 1}\ue001"

    own = QUOTED.sub(hide, _unwrapped(text.strip()))
    found: list[str] = []
    lead = _LEAD.match(own)
    if lead and re.search(r"\w", lead[0]):
        found.append(lead[0].strip())
        own = own[lead.end() :]
    if _NOTHING_ELSE.match(own):
        return Stripped(text=None, found=(text,))
    out: list[str] = []
    for sentence in _SPLIT.split(own):
        shorter = sentence
        if _CHATTER.search(sentence):
            found.append(sentence)
            continue
        for _ in range(4):
            again = _strip_sentence(shorter, " ".join(out), found)
            if again == shorter:
                break
            shorter = again
        if re.search(r"\w|\ue000", shorter):
            out.append(shorter)
        elif sentence.strip():
            found.append(sentence)
    if not found:
        return Stripped(text=text, found=())
    stripped = " ".join(out)
    stripped = re.sub("\ue000(\\d+)\ue001", lambda m: quotes[int(m[1])], stripped).strip()
    stripped = stripped[:1].upper() + stripped[1:]
    alone = len(stripped.split()) >= 2 and not _NOT_ALONE.match(stripped)
    return Stripped(text=stripped if alone else None, found=tuple(found))


def _unwrapped(text: str) -> str:
    """A caption that stands in quotation marks as a whole, without them."""
    inner = text[1:-1]
    whole = len(text) > 1 and (text[0], text[-1]) in (('"', '"'), ("“", "”"))
    return inner if whole and not re.search(r"[\"“”]", inner) else text


def _expanded(hit: re.Match[str], replacement: str) -> str:
    """What stands for a phrase; a style that has lost its "this" gets an article, unless its medium is a mass."""
    out = hit.expand(replacement)
    if replacement.startswith(r"\1\2") or replacement == r"\1 of ":
        medium = out.removesuffix(" of ").split()[-1]
        if medium.lower() not in ("footage", "images", "pictures"):
            out = f"{'an' if out[0].lower() in 'aeio' else 'a'} {out}"
    return out


def _strip_sentence(sentence: str, before: str, found: list[str]) -> str:
    """A sentence without its phrases about the video; ``before`` is the text so far: a picture that was spoken of is a
    thing in the scene."""
    named = {word.lower() for word in _MEDIA_WORD.findall(before)}
    for pattern, replacement in (*_OPENINGS, *_STYLES):
        hit = pattern.match(sentence)
        if not hit or named & {word.lower() for word in _MEDIA_WORD.findall(hit[0])}:
            continue
        rest = _expanded(hit, replacement) + sentence[hit.end() :]
        after = sentence[hit.end() :]
        if re.search(r"\w{2}|\ue000", after) and (replacement or not _NOT_ALONE.match(after)):
            found.append(hit[0].strip())
            return rest[:1].upper() + rest[1:]
    for pattern, replacement in _ASIDES:
        for hit in pattern.finditer(sentence):
            if _POSITION.search(sentence[: hit.start()]) or named & {
                word.lower() for word in _MEDIA_WORD.findall(hit[0])
            }:
                continue
            found.append(hit[0].strip(" ,"))
            rest = sentence[: hit.start()] + hit.expand(replacement) + sentence[hit.end() :]
            return rest[:1].upper() + rest[1:]
    return sentence


_STYLES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), replacement)
    for pattern, replacement in (
        (rf"^{_SUMMING}{_STYLED}{_ADVERB} {_SHOWS} {_NOUN}", r"\1\2 of "),
        (rf"^{_SUMMING}{_KINDS_OF}{_ADVERB} {_SHOWS} {_NOUN}", r"\1 of "),
        (rf"^{_BARE} {_SHOWS} (?:in|at) ([\w-]+(?: [\w-]+)?) {_NOUN}", r"\1, "),
    )
)
"""Style and medium stay: ``This grainy footage shows`` becomes ``Grainy footage of``."""
