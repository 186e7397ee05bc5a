"""When something happens in the video, by frames, seconds, beginning and end; and what stands for each.

The order stays ("at first", "then", "at the end"); the frames, the seconds of a video nobody sees, and the video go.
"""

from __future__ import annotations

import re

from captioner.check.talk import BARE, EMPTY, MOVIE, STILLS, swaps

_FRAMES = r"(?:frames?|images?|pictures?|stills?|screenshots?|snapshots?)"
_PARTS = (
    r"(?:frames?|images?|pictures?|stills?|seconds?|moments?|minutes?|shots?|scenes?|segments?|parts?|portions?"
    r"|sections?|half|halves|third|sequences?|clips?)"
)
_FEW = r"(?:few |couple of |two |three |several |very |\d+ )?"
_IN = r"(?:in|at|on|during|from|for|within|over|with|across|throughout)"
_OF = rf"(?: (?:of|in) (?:{BARE}|(?:the|this) {EMPTY}*{MOVIE}))"
_OPEN = r"(?:,\s*|(?= (?:an?|the|two|three|he|she|they|it|we|there|his|her)\b) )"
_FIRST = r"(?:first|initial|opening|starting|beginning|earliest|early)"
_NEXT = r"(?:next|following|subsequent|later|succeeding|second|third|fourth|fifth|remaining|other|latter|ensuing)"
_LAST = r"(?:last|final|closing|concluding|ending)"
_MIDDLE = r"(?:middle|central|intermediate|in-between)"
_NUMBER = r"(?:\d+(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty)"
_ABOUT = r"(?: (?:about|around|approximately|roughly|exactly|just))?"
_MARK = (
    rf"(?:(?:the )?{_NUMBER}[- ]seconds?(?: (?:mark|point|in|timestamp)|{_OF}| into (?:the|this) {EMPTY}*{MOVIE})+"
    rf"|(?:the )?(?:(?:second|timestamp|time) )(?:mark )?{_NUMBER}(?::\d\d)?(?: (?:mark|point))?"
    r"|(?:the )?0{1,2}:\d\d(?:[:.]\d\d)?(?: (?:mark|point|timestamp))?)"
)
"""``the 12-second mark``, ``three seconds into the clip``, ``0:05``."""
_GOING = (
    r"(?:progress(?:es)?|continues?|goes on|go on|unfolds?|advances?|proceeds?|plays?(?: on)?|moves? (?:on|forward"
    r"|along)|develops?|rolls? on)"
)
_THING = (
    rf"(?:(?:{EMPTY})*(?:{MOVIE}|scene|story|narrative|{STILLS}|(?:image|frame) sequence|visuals))"
)

TIMES = swaps(
    (rf"^{_IN} the {_FEW}{_FIRST} {_FEW}(?:{_FRAMES}{_OF}?|{_PARTS}{_OF}){_OPEN}", "at first, "),
    (rf"^{_IN} the {_FEW}{_NEXT} {_FEW}(?:{_FRAMES}{_OF}?|{_PARTS}{_OF}){_OPEN}", "then "),
    (
        rf"^(?:{_IN}|by) the {_FEW}{_LAST} {_FEW}(?:{_FRAMES}{_OF}?|{_PARTS}{_OF}){_OPEN}",
        "at the end, ",
    ),
    (rf"^{_IN} the {_MIDDLE} {_FEW}(?:{_FRAMES}{_OF}?|{_PARTS}{_OF}){_OPEN}", "midway, "),
    (rf"^in (?:each|every) (?:of the )?(?:frame|image|still|picture)s?{_OF}?,\s*", "throughout, "),
    (rf"^(?:about |around |roughly )?(?:half-?way|mid-?way|part-?way) (?:through|into)(?: (?:the"
     rf"|this) {_THING})\b,?\s", "midway, "),
    (rf"^(?:later(?: on)?|further on|later still) in (?:the|this) {_THING}\b,?\s", "later, "),
    (rf"^(?:very )?(?:early(?: on)?|earlier) in (?:the|this) {_THING}\b,?\s", "at first, "),
    (rf"^(?:late|near the end) in (?:the|this) {_THING}\b,?\s", "at the end, "),
    (rf"^(?:as|when|once) (?:the|this) {_THING} (?:begins?|starts?|opens?),?\s", "at first, "),
    (
        rf"^(?:as|when|before|by the time) (?:the|this) {_THING} (?:(?:comes?|draws?|nears?|approache?s?"
        rf"|moves?) (?:to |towards? )?"
        r"(?:an?|its|the) (?:end|close|conclusion|finish)|ends?|concludes?|closes?|finishes|wraps up),?\s",
        "at the end, ",
    ),
    (rf"^(?:as|while) (?:the|this) {_THING} {_GOING},?\s", "then "),
    (
        rf"^(?:a (?:few|couple of)|several|some|{_NUMBER}) (?:seconds|moments) (?:into|in) (?:the"
        rf"|this) {_THING},?\s",
        "after a few moments, ",
    ),
    (rf"^(?:(?:starting |beginning )?(?:at|around|by|from|near|after|towards?)){_ABOUT} {_MARK},\s*", "then "),
    (
        rf"^(?:from|between){_ABOUT} (?:the )?0{{1,2}}:\d\d (?:to|and|until|through|-|–){_ABOUT} 0?\d:\d\d,\s*",
        "then ",
    ),
    (
        r"^[\[(]?(?:frames?|images?|pictures?|stills?|screenshots?|snapshots?) (?:#|no\. ?)?(?:\d+|[a-e]|one"
        r"|two"
        r"|three|four|five|six)(?:\s*(?:-|–|to|and|through|&)\s*\d+)?[\])]?(?: \([^)]*\))?\s*(?:[:–—]|-\s)\s*",
        "",
    ),
    (r"^(?:in|on|at|by) (?:frames?|images?|pictures?|stills?) (?:#)?\d+(?:\s*(?:-|–|to|and"
     r"|through)\s*\d+)?,\s*", "then "),
)  # fmt: skip
"""At the opening of a sentence. ``then`` is put only where something was said before."""

LATER = swaps(
    (
        rf"(?<=[,;] )(?:and )?(?:in|by) the {_LAST} {_FEW}(?:frames?|images?|stills?){_OF}?\b,?(?= )",
        "at the end,",
    ),
    (
        rf"(?<=[,;] )(?:and )?in the {_MIDDLE} {_FEW}(?:frames?|images?|stills?){_OF}?\b,?(?= )",
        "midway,",
    ),
    (
        rf"\b(?:in|by) the {_LAST} {_FEW}(?:frames?|stills?){_OF}?(?=[.,;!]|$| (?:and|as|while|with)\b)",
        "at the end",
    ),
    (
        rf"\bin the {_FIRST} {_FEW}(?:frames?|stills?){_OF}?(?=[.,;!]|$| (?:and|as|while|but|with)\b)",
        "at first",
    ),
    (rf"(?<=\w),? (?:at|around|by|near){_ABOUT} {_MARK}(?=[.,;!]|$| (?:and|as|while|when|with)\b)", ""),
    (r"(?<=\w) \((?:at |from |around )?(?:0?\d:\d\d|\d+ ?s(?:ec(?:onds?)?)?)(?:\s*(?:-|–|to)\s*(?:0?\d:\d\d"
     r"|\d+ ?s(?:ec)?))?\)", ""),
    (rf"\bthroughout (?:all |all of )?(?:the|these|this) (?:{EMPTY})*(?:{STILLS}|(?:image|frame) sequence)\b",
     "throughout"),
    (
        rf"\b(?:half-?way|mid-?way|part-?way) (?:through|into) (?:the|this) {EMPTY}*{MOVIE}\b",
        "midway",
    ),
    (rf"\b(later|early|late|earlier|elsewhere)(?: on)? in (?:the|this) {EMPTY}*{MOVIE}\b", r"\1"),
)  # fmt: skip
"""Further on in a sentence."""

AROUND = re.compile(
    r"^(?:(?:around|about|near|towards?|by) the (?:middle|half-?way (?:point|mark)|midpoint)|at (?:around "
    r"|about )?the "
    r"(?:half-?way (?:point|mark)|midpoint)),\s*",
    re.I,
)
"""Of the video, where its beginning or end was spoken of before; else perhaps of the picture."""
