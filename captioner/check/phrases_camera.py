"""A medium with a style, beside a clause, or second in a sentence; a camera that only records."""

from __future__ import annotations

import re

from captioner.check.talk import (
    ADVERB,
    BARE,
    EMPTY,
    ENDS,
    MOVIE,
    NOUN,
    OPENS,
    SHOWS,
    SUMMING,
    SURE,
    THAT,
    THEN,
    swaps,
)

_RECORDS = (
    r"(?:(?:simply |then |also |now |clearly |closely |first |just )?(?:captures?|records?|films|documents|shows"
    r"|catches|observes|reveals"
    r"|(?:is|was) (?:recording|filming|capturing|documenting|showing|shooting)|has (?:captured|recorded))"
    r"(?: (?:footage|images|a (?:shot|view|scene)) of)?)"
)
_MOVES = (
    r"(?:follow|pan|tilt|zoom|move|pull|push|track|circle|rotat|glid|dolly|dollies|cran|sweep|swing|orbit|drift"
    r"|shift|stay|remain|hold"
    r"|focus|keep|rise|lower|descend|ascend|shak|linger|settle|turn|wobbl|jerk|spin|cut|switch|whip|tremb)(?:s|es"
    r"|ing|ly)?"
)
_LENGTH = (
    r"(?:which|that) (?:(?:only |just )?(?:lasts?|runs?|spans?|goes on)|(?:is|appears to be"
    r"|seems to be) (?:(?:only|just|about|around|roughly"
    r"|approximately|nearly|some) ){0,2}[\w.-]+[ -](?:seconds?|minutes?)|has (?:a|no) (?:duration|length|runtime"
    r"|running time|sound|audio|title)"
    r"|(?:appears?|seems?) to (?:last|run|have been|be (?:part|taken|from|a (?:short|brief|home|single|series)))"
    r"|is (?:part|taken|from|silent"
    r"|untitled|divided|likely|presumably)|was (?:provided|uploaded|shared|likely|probably|presumably)|you"
    r"|consists|comes)"
    r"|(?:(?:lasting|running|spanning)|with a (?:duration|length)|(?:about|around|approximately|roughly|some|just"
    r"|only) (?:\w+|\d+)"
    r"[ -](?:seconds?|minutes?)|(?:\w+|\d+) (?:seconds?|minutes?) (?:long|in (?:length|duration)))"
)
_ORDER = (
    r"(?:first(?: of all)?|firstly|second|secondly|third|thirdly|next|then|later(?: on)?|finally|lastly|last"
    r"|eventually"
    r"|afterwards?|after (?:that|this)|initially|meanwhile|subsequently|suddenly|at first|at the end|at one point"
    r"|at this point|in the (?:beginning|end)|to begin(?: with)?|to start|following this|from there|soon(?: after)?"
    r"|shortly after(?:wards)?|moments later|a moment later|at the same time|in the middle|after a few moments"
    r"|midway)"
)
_LOOKED = (
    r"(?:look|feel|style|aesthetics?|quality|tone|palette|texture|grain|filter|tint|tinge|format|perspective"
    r"|viewpoint"
    r"|point of view|effect|aspect ratio|lighting|grade|grading|scheme|orientation|angle|composition)"
)
_PARTICIPLE = r"(?:shot|filmed|captured|recorded|rendered|taken|photographed|animated|drawn|framed)"

CAMERA = swaps(
    # The camera captures him from a low angle
    (
        rf"^the camera {_RECORDS} (?P<who>him|her|them|it) (?=(?:from|in|at|through|close|against|on|as|with"
        rf"|head-on"
        rf"|mid-)\b)(?!.*\b{_MOVES}\b)",
        "who is seen ",
    ),
    (
        rf"^the camera {_RECORDS} (?=(?:him|her|them) \w+ing\b)(?![^.]*\b(?:and|then|before|while|,)(?: then"
        rf"| slowly"
        rf"| gently)* {_MOVES}\b)",
        "",
    ),
    # The camera captures a herd of elephants, unless it goes on to follow them
    (
        rf"^(?:here,? )?the camera {_RECORDS} {NOUN}(?!the (?:scene|action|moment|motion|movement|whole"
        rf"|entire|subject"
        rf"|entirety|room|event)\b)(?![^.]*\b(?:and|then|before|while|,|;)(?: it)?(?: then| slowly| gently"
        rf"| smoothly"
        rf"| quickly)* {_MOVES}\b)",
        "",
    ),
    # First, the video shows | After that we see
    (
        rf"^({_ORDER}),? (?:{BARE}|{SURE})(?:,? (?:also|then|now|again))? (?:{SHOWS}|{OPENS}|{ENDS}"
        rf"|{THEN}){THAT} (?=\w|\ue000)",
        r"\1, ",
    ),
    (
        r"^((?:as|after|while|when|before|behind|with|inside|outside|near|once|following|without"
        r"|using)\b[^,;.]{3,80}),"
        rf" (?:{BARE}|{SURE}){ADVERB} (?:{SHOWS}){{THAT}} (?=\w|\ue000)".replace("{THAT}", THAT),
        r"\1, ",
    ),
    # The video, which lasts about ten seconds, shows | The clip, a time-lapse, shows
    (rf"^{SUMMING}{BARE},? (?:{_LENGTH})[^,;]{{0,60}}, (?:and )?(?:{SHOWS}|{OPENS}){THAT} (?=\w|\ue000)", ""),
    (
        rf"^{SUMMING}{BARE}, which (?:takes place|is set|unfolds|was (?:filmed|shot)|is (?:filmed"
        rf"|located)) ((?:in|on|at"
        rf"|inside|outside|under|near|by|along|from|during) [^,.;]{{3,60}}), {SHOWS}{THAT} ",
        r"\1, ",
    ),
    (
        rf"^{SUMMING}{BARE}, (?:which (?:is|appears to be|seems to be) )?(an? (?:[\w-]+,? ){{0,4}}(?:shot"
        rf"|view|close-up"
        r"|timelapse|time-lapse|montage|animation|hyperlapse|recording|loop|vlog|tutorial|sequence|film|clip"
        r"|video"
        rf"|perspective)), {SHOWS}{THAT} {NOUN}",
        r"\1 of ",
    ),
    (
        rf"^{SUMMING}(?:{BARE}|{SURE}) (?:both )?(?:begins|starts|opens) and (?:ends|closes|finishes"
        rf"|concludes) (?:with"
        rf"|on) {NOUN}",
        "at the beginning and at the end, ",
    ),
    # The video is shot in black and white | The footage has a shaky look
    (
        rf"^{SUMMING}{SURE}(?: itself)?(?:,? also)? (?:is|was|are|appears to be|seems to be"
        rf"|appears to have been|has been) "
        rf"(?:(?:entirely|all|also|mostly|primarily|clearly|likely|mainly"
        rf"|being) )*(?={_PARTICIPLE} (?:entirely |mostly )?(?:in|with|from|on"
        r"|using|at|as|by|through|against|under|outdoors|indoors)\b)"
        r"(?![^,;.]*\band (?:is|was|has|appears|seems|shows|loops"
        r"|ends"
        r"|begins|features|uses|then|depicts|captures|follows)\b)",
        "",
    ),
    (
        rf"^{SUMMING}{SURE}(?:,? also)? (?:is|appears to be|seems to be) (?:(?:entirely|all|also|mostly"
        rf"|mainly) )?"
        r"(?:presented |shown |displayed )?(?=in (?:black|slow|sepia|fast|(?:full )?colou?r|portrait"
        r"|landscape|vertical|monochrome"
        r"|reverse|gr[ae]yscale|real|time-lapse|widescreen|a [\w-]+(?: [\w-]+)? (?:style|format"
        r"|orientation))\b)"
        r"(?![^,;.]*\band (?:is|was|has|appears|seems|shows|loops|ends|begins|features|uses|then|depicts"
        r"|captures)\b)",
        "",
    ),
    (
        rf"^{SUMMING}{SURE}(?: itself)?(?:,? also)? (?:has|have|carries|bears|retains|adopts|uses|employs"
        rf"|utili[sz]es|possesses"
        rf"|takes on|features) (?=an? (?:[\w-]+,? (?:and )?){{1,6}}?{_LOOKED}\b)"
        r"(?![^,;.]*\band (?:is|was|has|appears|seems|shows|loops|ends|begins|uses|then|depicts"
        r"|captures|follows)\b)",
        "",
    ),
)  # fmt: skip
"""At the opening of a sentence; ``who`` stands for the person as a subject."""

AND_THEN = re.compile(
    r"^((?:shot|filmed|captured|recorded|rendered|in (?:black|slow))\b[^,;:.]*),? and "
    r"(?=(?:an?|the|two|three|four|several)\b)",
    re.I,
)
"""After a style, before what is seen: ``Shot in black and white, and a trio plays``."""

BESIDE = swaps(
    (rf"; (?:{_ORDER},? )(?:the|this) {EMPTY}*{MOVIE}(?: then| also)? (?:{SHOWS}|{THEN}){THAT} {NOUN}", "; then "),
    (
        r"(?<=\w) (is|are|was|were) (?:being |then )?(?:recorded|depicted|pictured|portrayed) "
        r"(?=(?!(?:using|during)\b)[a-z]+ing\b)(?!.*\b(?:crew|phones?|smartphones?|cameraman|reporter"
        r"|journalist)\b)",
        r" \1 ",
    ),
    (r",? (?:as )?(?:being )?(?:captured|recorded|filmed|seen) by the camera(?=[.,;]|$)", ""),
    (
        rf",? (?:as |which is |while being )?(?:filmed|recorded) (?:in|for|by|on) (?:the"
        rf"|this) {EMPTY}*{MOVIE}(?=[.,;]|$)",
        "",
    ),
    (
        rf", who (?:is|appears to be|seems to be) the (?:main |primary |central |only |other )?(?:speaker"
        rf"|subject|focus|person|character"
        rf"|figure|protagonist)(?: (?:in|of) (?:the|this) {EMPTY}*{MOVIE})?,? (?=[a-z])",
        " ",
    ),
)  # fmt: skip
"""Further on in a sentence."""

HEDGE = re.compile(
    r"(?:,|;| -| –| —)? ?\(?(?:al)?(?:though|but|yet|while|even though|however),? (?:(?:this|it|that|(?:the|his"
    r"|her|their|its) (?:exact|precise|specific"
    r"|actual|true)?[^,.;]{2,40}) )?(?:cannot|can['’]t|can not|could not|is not|isn['’]t|is|are|are not|remains?"
    r"|it is|it['’]s|it cannot be|not)"
    r"(?: be)?(?: (?:not|entirely|fully|definitively|clearly|immediately|absolutely|possible to|difficult to"
    r"|hard to|impossible to|fully be))*"
    r" ?(?:confirm\w*|determin\w*|verif\w+|ascertain\w*|certain|identif\w+|known|sure|specified|stated|clear"
    r"|unclear|uncertain|unknown|unconfirmed"
    r"|discernible|established)\b(?: (?:from|by|in|based on|with|without|for|given|what|which|whether|who"
    r"|where)\b[^.;]*)?\)?(?=[.;]|$)",
    re.I,
)
"""``, though this cannot be confirmed from the video``: the end of a sentence that has something to say."""
