"""Phrases about the video further on in a sentence, ends of sentences, and what stands for each."""

from __future__ import annotations

from captioner.check.talk import (
    EMPTY,
    ENDS,
    FEELING,
    MOVIE,
    NOUN,
    SCOPE,
    SHOWS,
    THAT,
    THEN,
    patterns,
    swaps,
)

_GIVING = (
    r"creating|adding|evoking|conveying|suggesting|giving|lending|emphasi[sz]ing|highlighting|contributing|enhancing"
    r"|reflecting|capturing|exuding|instilling|imparting|fostering|radiating|projecting|invoking|indicating|showcasing"
    r"|underscoring|reinforcing|bringing|providing|imbuing"
)
_GIVES = r"creates|adds|evokes|conveys|gives|lends|suggests|reflects|brings|provides"
_WHOM = r"(?: (?:it|(?:the )?viewers?|the (?:overall )?(?:scene|video|image|clip|footage|moment|setting|space|room)))?"

ASIDES = swaps(
    (
        r"(?<=[;,] )(?:and )?in the (?:next|following|subsequent|later|second|third) (?:few )?(?:frames?"
        r"|images?|stills?"
        r"|segments?),? ",
        "then ",
    ),
    (
        rf"(?:,|;|,? and|,? before)(?: then| finally)? (?:the|this) {EMPTY}*{MOVIE}(?: then| finally)? {ENDS}"
        rf" {NOUN}",
        ", and at the end, ",
    ),
    (
        rf"(?:,|;|,? and|,? while|,? before)(?: then| later| finally)? (?:the|this) {EMPTY}*{MOVIE}(?: then|"
        rf" also| later"
        rf"| finally)? {SHOWS}{THAT} {NOUN}",
        ", then ",
    ),
    (rf",? before (?:cutting|transitioning|switching) (?:away )?to {NOUN}", ", then "),
    # ..., and the scene then shifts to
    (
        rf"(?:,|;|,? and|,? before|,? as)(?: then| finally| later)? (?:the|this) {EMPTY}*(?:{MOVIE}|scene"
        rf"|focus|view)"
        rf"(?: then| later| finally| abruptly| smoothly| quickly)? {THEN} {NOUN}",
        ", then ",
    ),
    (
        rf"(?:,|,? and|,? before)(?: then| finally| later)? transition(?:s|ing) (?:in)?to(?: show)? {NOUN}",
        ", then ",
    ),
    (
        rf"\bthroughout (?:the|this) (?:{EMPTY})*(?:duration of (?:the|this) )?{MOVIE}\b",
        "throughout",
    ),
    (
        rf"\bfor (?:the|most of the) (?:\w+ )?(?:duration|length|entirety) of (?:the|this) {MOVIE}\b",
        "throughout",
    ),
    (rf"\b(?:over|in|during) the course of (?:the|this) {EMPTY}*{MOVIE}\b", "over time"),
    (
        rf"\b(at|by|near|towards?|until|from) the (very )?(start|beginning|end|opening|outset|middle|close) of "
        rf"(?:the|this) {EMPTY}*{MOVIE}\b",
        r"\1 the \2\3",
    ),
    (
        rf"\bas (?:the|this) (?:{MOVIE}|scene|story|narrative) (?:progresses|continues|goes on|unfolds"
        rf"|advances|proceeds|plays)\b",
        "over time",
    ),
    (
        rf",? as (?:seen|shown|depicted) in (?:the|this) {EMPTY}*(?:{MOVIE}|image|frames)\b",
        "",
    ),
    (
        rf"\bthe {MOVIE}['’]s (?=(?:\w+ )?(?:subject|focus|style|tone|mood|pace|lighting|palette))",
        "the ",
    ),
    (
        rf"(?<!\bis)(?<!\bare)(?<!\bbe)(?<!\bwas)(?<!\bwere) (?:seen|shown|visible|featured|depicted|captured) in "
        rf"(?:the|this) {EMPTY}*(?:video|clip|footage|frames|image)\b(?!['’-])",
        "",
    ),
    (
        rf"\b(first|second|third|last|final|latter|opening|initial|remaining) (part|half|portion|section|segment"
        rf"|moments|seconds|frames?) of (?:the|this) {EMPTY}*{MOVIE}\b",
        r"\1 \2",
    ),
    (
        rf",? (?:in|within|of) (?:this|the|these) {EMPTY}*(?:video|clip|footage|frames|image|picture|photo)"
        r"(?: clip| sequence| footage)?(?=[,.;!?]| (?:is|are|was|were|has|have|wears?|stands?|sits?|walks?|runs?"
        r"|holds?|looks?|moves?|appears?|seems?|then|who|as|while|and|to|can|draws?|adds?|gives?|creates?"
        r"|suggests?|makes?|helps?)\b)",
        "",
    ),
)
"""Phrases about the video further on, and what stands for them."""

AFTER = swaps(
    (
        rf"(?:,? and then|,? then|,? and|,? before)(?: finally| later)? (?:transitions|cuts|shifts|switches"
        rf"|moves on) "
        rf"(?:in)?to (?:show(?:ing)? )?{NOUN}",
        ", then ",
    ),
    (
        r"(?:,? and then|,? then|,? and) (zooms|pans|tilts|pulls (?:back|out)|dollies|cranes|pushes in) ",
        r"; the camera then \1 ",
    ),
)
"""What a sentence goes on with whose subject, the video, was taken out."""
TAILS = patterns(
    # ..., creating a sense of joy and freedom
    rf",?(?: (?:all )?while| thus| thereby| further| collectively| and)? (?:{_GIVING}|which (?:{_GIVES}))(?: to)?"
    rf"{_WHOM}(?: with)? (?:(?:an?|the|its|that) )?(?:[\w-]+,? (?:and )?){{0,3}}?(?:sense|feeling|spirit"
    rf"|essence) of"
    rf" {FEELING}{SCOPE}(?=[.;]|$)",
    rf",(?: (?:all )?while| thus| further)? (?:{_GIVING}|which (?:{_GIVES})){_WHOM}(?: with)? an? (?:[\w-]+"
    rf" ){{0,2}}?"
    r"(?:touch|air|hint|element|layer|aura|note|dose|bit) of (?:humou?r|whimsy|drama|elegance|warmth|realism"
    r"|nostalgia"
    r"|charm|authenticity|mystery|suspense|tension|excitement|playfulness|sophistication|intrigue|intimacy|romance"
    rf"|fun|lightness|melancholy|magic|surprise|irony|character|interest|life|\w+(?:ness|ity)){SCOPE}(?=[.;]|$)",
    # ..., giving the scene a warm and inviting feel
    rf",(?: (?:all )?while| thus| thereby| further)? (?:{_GIVING}|which (?:{_GIVES}))(?: to)?{_WHOM}(?: with)?"
    r" (?:an?|its) (?:[\w-]+,? (?:and )?){1,4}(?:feeling|feel|vibe|atmosphere|mood|ambiance|ambience|tone)"
    rf"{SCOPE}(?=[.;]|$)",
    # ..., adding to the serene atmosphere of the scene
    r",(?: (?:all )?while| further)? (?:adding|contributing|lending|enhancing|complementing|which (?:adds"
    r"|contributes"
    r"|enhances|complements))(?: (?:further|depth"
    r"|beauty|charm|warmth|interest|character|realism|drama|greatly|an?|touch|of|and|sense))*(?: to)? the "
    r"(?:[\w-]+['’]?s? (?:and |, )?){0,4}?(?:atmosphere|mood|ambian?ce|ambience|feel|aesthetics?|tone|vibe|realism"
    r"|beauty|charm|appeal|experience|narrative|composition|scene|setting)"
    r"(?: of (?:the|this) (?:scene|video|clip|moment|setting|footage|image|space|place|room))?(?=[.;]|$)",
    r", (?:inviting|encouraging|immersing|leaving|drawing in) (?:(?:the )?viewers?|the observers?"
    r"|us)\b[^.;]{0,80}(?=[.;]|$)",
    # ..., with no other notable objects visible
    r",? with no (?:other|additional|visible|discernible|notable|significant|further)(?![^.;]*\b(?:camera"
    r"|cuts?|edits?"
    r"|zoom\w*|pan\w*|motion|movement|transitions?)\b)[^,.;]{0,60}?\b(?:visible|present|objects|text|elements"
    r"|captions|subtitles|distractions)(?: (?:in|on|within) the (?:scene|frame|video|image|background|foreground))?"
    r"(?=[.;]|$)",
)
"""Ends of sentences that say how it feels, or what is not there."""
