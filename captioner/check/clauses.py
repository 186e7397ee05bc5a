"""Frames around what is seen: clauses whose subject is the recording, its viewer, or what it is about.

``The focal point of the clip is a red boat``, ``What stands out is the hat``, ``where we catch sight of a deer``: the
frame goes, what it holds stays. Frames are known by the role of their subject and not by their wording, so that any
verb may stand in them. A place in the picture ("in the corner of the frame") is none.
"""

from __future__ import annotations

import re

from captioner.check.talk import EMPTY, GIVEN, MOVIE, STILLS, SUMMING, swaps

_THING = (
    r"(?=(?:\ue000|(?:an?|the|two|three|four|five|six|several|some|many|one|both|another|his|her|their|its"
    r"|rows?|groups?)\b))"
)
"""Something that is seen follows."""
_NUMBER = (
    r"(?:(?:very |first|second|third|fourth|fifth|sixth|last|final|next|previous|following|other|opening"
    r"|closing|subsequent) )"
)
MEDIUM = (
    rf"(?:the|this|these|those|that|our|your|each|every) (?:{EMPTY}|{_NUMBER})*(?:{MOVIE}|{STILLS}|visuals"
    rf"|gif|screencast|snippet|(?:image|frame)s? ?(?:sequence|set)?){GIVEN}"
)
"""A recording as such."""
_OF = rf"(?: (?:of|in|throughout|within|for|across|behind|from) {MEDIUM})"
_HOW = r"(?:,? (?:also|then|now|next|first|finally|again|immediately|clearly|\w+ly|still|just))*"
_HOW_ONLY = r"(?:\w+ly )?"
_LINK = (
    rf"{SUMMING}(?:(?:meanwhile|notably|interestingly|here|throughout|next|then|now|first|finally|and|but"
    r"|at its core|at the same time),? )?"
)
_RANK = (
    r"(?:(?:main|central|primary|key|overall|chief|principal|clear|undisputed|visual|sole|only|real|true"
    r"|first|next|new|immediate|initial|obvious|most \w+),? (?:and )?)*"
)
_SURE_ASPECT = (
    r"(?:focal point|center ?piece|centre ?piece|star|highlight|main (?:subject|focus|character|figure|event|action"
    r"|element|attraction)|(?:primary|central|key) (?:subject|focus|figure|element|character|action)|subject matter"
    r"|point of (?:interest|focus)|focus of attention|cent(?:er|re) of attention)"
)
_ASPECT = (
    rf"(?:{_SURE_ASPECT}|{_RANK}(?:subject|focus|theme|topic|action|content|narrative|story|event|emphasis"
    r"|point|premise|idea|setting|scene|backdrop|location|protagonist|character|figure|element|moment|object"
    r"|attention|activity|gist|plot))"
)
_IS = (
    rf"(?:{_HOW} (?:is|are|remains?|stays?|lies?|rests?|cent(?:er|re)s?|revolves?|appears? to be|seems? to be"
    rf"|becomes?|falls?|shifts?|turns?|moves?|comes?|goes){_HOW}(?: (?:on|upon|with|around|to|into|in on|that of|set"
    r"|placed|directed|kept|cent(?:er|re)d|focused|fixed)){0,2})"
)
VIEWER = (
    r"(?:we|you|i|viewers|the (?:viewer|observer)s?|(?:one|anyone|someone|the audience)(?= (?:can|could|may"
    r"|might|is (?:shown|given|taken|led|treated|introduced|presented|invited))\b))"
)
_PERCEIVE = (
    r"(?:see|observe|watch|notice|witness|find|spot|glimpse|view|discern|perceive|make out|recogni[sz]e|discover"
    r"|follow"
    r"|encounter|meet|catch (?:sight|a glimpse) of|get (?:an?|the|our|your|their) (?:[\w-]+ ){0,3}(?:view|look"
    r"|glimpse|sense)"
    r" (?:of|at|into|inside)|look (?:at|down (?:on|at)|out (?:on|over|at)|in on|into|through)|are looking at"
    r"|come across"
    r"|are (?:then |now |first |next |also |immediately )?(?:shown|given|taken|led|treated|introduced|presented"
    r"|invited|guided"
    r"|brought|transported|drawn|greeted|met|welcomed|thrown|placed|offered|immersed|dropped|returned|moved|carried)"
    r" (?:(?:to|into|in|inside|through|with|by|on|onto|along|back|around|across|at|over|a (?:glimpse|view"
    r"|look) (?:of|at|into))"
    r"(?: |$))*|is (?:then |now |first )?(?:shown|given|taken|led|treated|introduced|presented|invited|guided|brought"
    r"|transported|drawn|greeted|placed|offered|immersed)(?: (?:to|into|in|inside|through|with|by|on|along|back"
    r"|around"
    r"|across|at|a (?:glimpse|view|look) (?:of|at|into)))*)"
)
_SO = rf"(?: (?:that|how) (?=\w)| {_THING})"
_SEES = (
    rf"(?:{VIEWER})(?:['’](?:ll|re|ve|d))?(?: (?:can|could|may|might|will|would|get to|begin to|start to"
    r"|are able to|have"
    r"|do|should|gets? to|begins? to|starts? to|is able to))*(?! (?:barely|hardly|never|no longer"
    rf"|only just)){_HOW} {_PERCEIVE}s?,?"
)
_DRAWN = (
    r"(?:(?:our|your|the viewer['’]s|viewers['’]|the|one['’]s) (?:eyes?|attention|gaze|focus|view)"
    rf"(?: then| soon| now| next)? (?:is|are|gets?|shifts?|turns?|moves?|falls?){_HOW}(?: (?:drawn|directed|guided"
    r"|led|pulled|shifted|brought|turned|called))?"
    r" (?:to|toward|towards|on|upon|back to|onto))"
)
_KEEP = (
    r"(?:is|was|are|were|has|have|does|do|follows?|zooms?|pans?|tilts?|tracks?|pulls?|pushes|circles?|orbits?"
    r"|moves?|travels?|loops?"
    r"|reverses?|freezes?|blurs?|fades?|cuts?|plays?|lasts?|becomes?|remains?|stays?|keeps?|ends?|begins?|starts?"
    r"|opens?|closes?"
    r"|runs?|maintains?|slows?|speeds?|repeats?|says|reads?|hangs?|stands?|lies|sits?|falls?|flickers?|glows?"
    r"|shakes?|hang|line|fill"
    r"|adorn|cover|decorate|surround|rests?|leans?)"
)
_OBJECTS = (
    r"(?:an?|the|two|his|her|their|its|slow|slowed|sped|black|white|grain\w*|hand-?held|animated|silent"
    r"|not|no|never|divided|split|broken|separated|grouped)"
)
FRAMES = swaps(
    # The main focus of the clip is on | The focal point is
    (rf"^{_LINK}(?:the|its|our|an?) {_ASPECT}{_OF}(?: here| itself)?,?{_IS} {_THING}", ""),
    (rf"^{_LINK}the (background|foreground) of {MEDIUM} (?:shows?|consists? of|contains?|includes?|features?"
     rf"|reveals?|is made up of|is|has|displays?) {_THING}", r"in the \1, "),
    (rf"^(?:{_LINK})(?:there|here|this|it|that)(?:['’]s| is| are) (?:an?|the) (?:{EMPTY})*{MOVIE} (?:of"
     r"|showing|featuring|depicting|where|in which|that (?:shows|features)) (?=\w|\ue000)", ""),
    (r"^(?:the|our) (?:tension|suspense|anticipation|excitement|drama|action|pace|mood|energy|story|narrative"
     r"|moment) (?:[a-z]+ly )?(?:builds?|rises|mounts|grows|develops?|unfolds|peaks|escalates"
     r"|intensifies|begins|starts|continues|culminates|climaxes|increases|progresses)(?: (?:up|slowly"
     r"|steadily|further))? (?:until|as|when|before|while|with) (?=\w)", ""),
    (r"^(?:interestingly|notably|importantly|curiously|remarkably|surprisingly|unsurprisingly|impressively"
     r"|amusingly|fascinatingly|admittedly|of note|worth noting|as expected|of course"
     r"|needless to say|to be clear|for context|in other words|as mentioned(?: earlier| above)?"
     r"|as noted(?: earlier| above)?),? (?=\w)", ""),
    (rf"^{_LINK}(?:the|its|our) {_SURE_ASPECT}(?: (?:captured|shown|depicted|seen|featured|presented"
     rf"|on display))?(?: here| of the (?:scene|shot|moment))?{_IS} {_THING}", ""),
    (rf"^{_LINK}the (?:focus|emphasis) (?:is|remains|stays|lies){_HOW} (?:on|upon) {_THING}", ""),
    # What makes this clip interesting is
    (
        rf"^{_LINK}what (?!(?:appears?|seems?|looks?|remains|is left)\b)(?=[^.;]*?\b(?:video|clip|footage"
        r"|recording|frames"
        r"|we|you|i|viewers?|stands?|makes?|strikes?|catch(?:es)?|unfolds?|follows|happens|emerges|matters"
        r"|interesting"
        r"|striking|notable|apparent|clear|visible|shown)\b)[^.;]{2,80}? (?:is|are)(?: that| how)? (?=\w"
        r"|\ue000)",
        "",
    ),
    (rf"^{_LINK}(?:of (?:particular )?(?:note|interest)|most \w+ly?|most (?:notable|striking)|noteworthy"
     rf"|worth noting|perhaps most \w+) (?:is|are) {_THING}", ""),
    (rf"^{_LINK}{_DRAWN} {_THING}", ""),
    # The overall impression is one of nostalgia: faded colours
    (rf"^{_LINK}the {_RANK}(?:impression|feel|feeling|mood|atmosphere|effect|tone|vibe"
     r"|sense)[^.;:]{0,30} (?:is|are) one of [^.;:]{2,40}: (?=\w)", ""),
    # At the far end we catch sight of
    (rf"^((?:{_LINK})(?:in|at|on|from|as|after|before|behind|throughout|inside|outside|near|through|to|over"
     r"|under|beyond"
     rf"|beside|along|around|below|above|next to)\b [^,.;]{{3,60}}),? {_SEES}{_SO}", r"\1, "),
    (rf"^{_LINK}{_SEES}{_SO}", ""),
    # Any verb of any recording: The footage traces out | The clip puts us beside
    (rf"^{_LINK}{MEDIUM}{_HOW} (?:(?:is|was|are) (?:of|about|by|from|mainly about|all about)|(?:appears?"
     r"|seems?|is likely|is said|can|could|may|might|has|have|is meant"
     rf"|is intended)(?: (?!{_OBJECTS}\b)[a-z]+){{1,6}}?) {_THING}", ""),
    (rf"^{_LINK}{MEDIUM}{_HOW} (?!{_KEEP}\b)[a-z]{{3,}}(?: (?:to )?(?:us|viewers|the viewer|you))?(?: (?:on|in"
     r"|into|with|of|to|at|around|through"
     rf"|upon|over|inside|across|beside|along|up|from|down|for|as|that|how)){{0,2}} {_THING}", ""),
    # I believe that | It is safe to say that
    (r"^(?:i|we|one|you)(?:['’]d|['’]ll)? (?:can |could |would |might )*(?:think|believe|assume|guess|suppose"
     r"|suspect|say|infer|gather|tell|conclude"
     r"|imagine|interpret|deduce|note|add|argue)(?: that)?,? (?=\w)", ""),
    (r"^it (?:should|must|can|could|may|might|has to|ought to) (?:also )?be \w+ed(?: out)? that ", ""),
    (r"^(?:if|when|as) (?:you|we|one|viewers) (?:look|watch|pay|focus|zoom|peer|examine|study|keep|observe"
     r"|pause|follow|wait)[^,.;]{0,50}, (?=(?:\ue000|(?:an?|the|two"
     r"|three|four|several|some|many|one|there|it|he|she|they|his|her)\b))", ""),
    (r"^it(?:['’]s| is| would be| may be) (?:also |perhaps |certainly )?(?:worth|interesting|important"
     r"|notable|useful|helpful)(?: to)? (?:not|mention|point|add|observ|emphasi|highlight|say)\w*(?: out"
     r"| here)? (?:that|how) ", ""),
    (rf"^{_LINK}(?:an?|one|another|the|some) (?:(?:notable|interesting|striking|key|small|other|most \w+"
     r"|particularly \w+|subtle|curious|amusing|nice|fun|final|important|noteworthy"
     r"|distinctive) )+(?:details?|aspects?|features?|things?|elements?"
     rf"|moments?|points?|touch)(?: (?:here|{_OF[3:-1]}))? (?:is|are|worth \w+ is|to note is)(?: that| how"
     r"| when)? (?=\w|\ue000)", ""),
    (r"^(?:the|this) (?:\w+ )?(?:composition|framing|editing|arrangement|focus|narrative|story|sequence"
     r"|direction) (?:draws?|directs?|guides?|leads?|brings?|places?|puts?|turns?|shifts?|keeps?"
     r"|focuses)(?: (?:the|our|all|its))?"
     r"(?: (?:viewer['’]s|viewers['’]|visual))? ?(?:attention|focus|eyes?|gaze|emphasis)? (?:to|on|toward"
     rf"|towards|upon) {_THING}", ""),
    (rf"^{_LINK}(?:this|it|these) (?:appears?|seems?|looks?) (?:to (?:be|show|come from) |like )(?:an? "
     rf"|the )?(?:{EMPTY})*(?:{MOVIE}|{STILLS})(?: (?:taken|shot|captured|recorded))? (?:from|of|by|showing"
     rf"|in which|with) {_THING}", ""),
    (rf"^{_LINK}the (?:next|following|subsequent|second|third|fourth|later) (?:scene|clip|segment|image|part"
     r"|one|section|moment|sequence) (?:then )?(?:shows?|depicts?|features?|captures?|presents?|reveals?"
     r"|moves to|cuts to|is of|displays?|portrays?|sees|finds) (?=\w)", "then "),
    (rf"^{_LINK}the (?:first|opening|initial) (?:scene|clip|segment|image|part|one|section|moment"
     r"|sequence) (?:shows?|depicts?|features?|captures?|presents?|reveals?|is of|displays?|portrays?|sees"
     r"|finds) (?=\w)", "at first, "),
    (rf"^{_LINK}the (?:last|final|closing) (?:scene|clip|segment|image|part|one|section|moment"
     r"|sequence) (?:shows?|depicts?|features?|captures?|presents?|reveals?|is of|displays?|portrays?|sees"
     r"|finds) (?=\w)", "at the end, "),
    (r"^it (?:can|could|may|might|is|should|must|becomes|seems|would|also)(?: also| be| quickly| soon| safely"
     r"| fairly| quite| very| safe"
     r"| reasonable| clearly| immediately| important| interesting| worth| fair)* (?:seen|clear|evident"
     r"|apparent|observed|noted"
     r"|noticed|inferred|obvious|assumed|deduced|presumed|said|noting|to (?:note|say|assume|conclude|mention"
     r"|see|infer)|mentioning"
     r"|concluded|worth)(?: (?:from|in|by|throughout) [^,;.]{3,40})?,? (?:that|how) ", ""),
)  # fmt: skip
"""At the opening of a sentence, and what stands for each."""
INSIDE = swaps(
    (r",? as (?:we|you|one|viewers) (?:can |could |may )?(?:also |now |clearly )?(?:see|observe"
     r"|notice)(?: here)?(?=[,.;])", ""),
    # The turtle is the main focus of the video, swimming
    (rf" (?:is|are|remains?|serves? as|acts? as|becomes?|continues? to be) {_HOW_ONLY}(?:the|a"
     rf"|an) {_SURE_ASPECT}{_OF}?,? (?=\w+ing\b)", " is "),
    (r",? (?:(?:which|who) )?(?:is|are|remains?|serves? as|acts? as|becomes?|continues? to be|remaining|being"
     rf"|becoming|as) {_HOW_ONLY}(?:the|a|an)"
     rf" {_SURE_ASPECT}{_OF}?(?: throughout)?(?=[.;]|$|, (?:and|as|while|with)\b)", ""),
    (rf"((?:,|;|,? and|,? but|,? as|,? while|,? where|,? when|,? then|,? before) ){_SEES}{_SO}", r"\1"),
    (rf"((?:,|;|,? and|,? but|,? as|,? while|,? where|,? when) ){_DRAWN} {_THING}", r"\1"),
    (r"((?:,|;|,? and|,? but|,? while|,? at which point"
     rf"|,? after which)) {MEDIUM}{_HOW} (?!{_KEEP}\b)[a-z]{{3,}}(?: (?:on|in|into|with|of|to|at|around"
     rf"|through|upon|over)){{0,2}} {_THING}", r"\1 "),
    (r"(,? and|;) the (?:next|following|subsequent|second|third|last|final) (?:one|scene|clip|segment|image"
     r"|part) (?:shows?|depicts?|features?|captures?|reveals?|displays?) (?=\w)", r"\1 then "),
    # (seen in the third frame)
    (r"\s*[(\[](?=[^()\[\]]*\b(?:frames?|video|clip|footage|timestamps?|not visible|unclear"
     r"|unverified|off-?screen"
     r"|captions?|descriptions?|inferred|presumably|assumed|cannot|can['’]t)\b)(?![^()\[\]]*\b(?:cent(?:er"
     r"|re)|left|right|top|bottom"
     r"|corner|edge|foreground|background|middle|style|shot|slow)\b)[^()\[\]]{1,90}[)\]]", ""),
    (r",? (?:as|which is|which are|that (?:is|are|can be)) (?:\w+ly )?(?:seen|shown|visible|evident|depicted"
     r"|observed|apparent|clear|captured|featured)"
     rf" (?:in|from|throughout|across|by) {MEDIUM}(?=[,.;!?]| )", ""),
)  # fmt: skip
"""Further on in a sentence."""
_PREP = (
    r"(?:in|at|on|from|during|over|across|throughout|within|through|by|towards?|near|around|after|before|with|for"
    r"|given"
    r"|based on|judging (?:by|from)|according to|as|while|when|once|until|by the time|just as|right as|halfway|midway"
    r"|partway|early|late|later|toward|between|looking at|looking through|viewing|watching|examining|reviewing"
    r"|considering|having \w+ed|scanning|studying)"
)
_AROUND = re.compile(
    r"^(?P<link>(?:and|but|then|finally|next|meanwhile|overall"
    rf"|here),? )?(?P<when>{_PREP}\b[^,.;:\ue000]{{0,60}}?\b{MEDIUM}[^,.;:\ue000]{{0,40}}),\s+(?=\S)",
    re.I,
)
_PLACE = re.compile(
    r"\b(?:cent(?:er|re)|left|right|top|bottom|side|corner|edge|foreground|background|shot|angle|style|slow|speed"
    r"|colou?r\w*"
    r"|black|behind|above|below|beneath|beside|wall|screen|people|man|woman|person)\b",
    re.I,
)
_WHEN = (
    (r"\b(?:begin\w*|starts?|first|initial|opening|opens|outset|early)\b", "At first, "),
    (r"\b(?:end\w*|final\w*|last|clos\w+|conclu\w+|finish\w*)\b", "At the end, "),
    (r"\b(?:middle|midpoint|half-?way|mid-?way|part-?way|midst)\b", "Midway, "),
    (r"\b(?:throughout|across|whole|entire|entirety|duration|all|every|each)\b", "Throughout, "),
    (
        r"\b(?:next|later|then|follow\w*|subsequent|progress\w*|continu\w*|unfold\w*|advanc\w*|proceed\w*|goes|plays"
        r"|moves|rolls|develops|second|third|remaining|after)\b",
        "Then ",
    ),
)


def framed(sentence: str, named: set[str]) -> tuple[str, str, str] | None:
    """A sentence without its frame, that frame, and what was put for it; None where it has none.

    ``named``: media that were spoken of before as things in the scene.
    """
    for pattern, instead in FRAMES:
        hit = pattern.match(sentence)
        if hit and not named & _media(hit[0]) and re.search(r"\w{2}|\ue000", sentence[hit.end() :]):
            put = hit.expand(instead)
            rest = put + sentence[hit.end() :]
            return rest[:1].upper() + rest[1:], hit[0], put
    for pattern, instead in INSIDE:
        for hit in pattern.finditer(sentence):
            if not named & _media(hit[0]) and not _AT.search(sentence[: hit.start()]):
                return (
                    sentence[: hit.start()] + hit.expand(instead) + sentence[hit.end() :],
                    hit[0],
                    "-",
                )
    return None


_AT = re.compile(
    r"\b(?:cent(?:er|re)|middle|left|right|top|bottom|side|corner|edge|foreground|background)s?$",
    re.I,
)
_MEDIA = re.compile(
    r"\b(video|clip|image|picture|photo|photograph|film|recording|screenshot|footage)s?\b", re.I
)


def _media(text: str) -> set[str]:
    return {word.lower() for word in _MEDIA.findall(text)}


_PART = re.compile(
    r"^(?:in|for|during|over|at) the (?:very )?(?:first|second|third|fourth|fifth|next|last|final|opening|closing"
    r"|middle|initial|latter|other|following)"
    r" (?:part|half|section|segment|portion|phase|third|quarter|few moments|few seconds|clip|stretch)s?,\s+",
    re.I,
)
_NUMBERED = (
    ("At first, ", r"first|opening|initial"),
    ("At the end, ", r"last|final|closing"),
    ("Midway, ", r"middle"),
    ("Then ", r""),
)
_CLOCK = r"\d?\d:\d\d(?:[:.]\d+)?"
_LABEL = re.compile(
    rf"^(?:(?:from|at|around|time(?:stamp|code)?|seconds?):? )?(?=0|[^,]{{4,20}} (?:of|in|into) ){_CLOCK}"
    rf"(?:\s*(?:-|–|—|to|until|and|through)\s*{_CLOCK})?(?: (?:of|in|into) {MEDIUM})?\s*(?:[:–—,]|-\s)\s*(?=[^\s\d])",
    re.I,
)
"""``0:00 - 0:04 of the video:``"""


def without_time(sentence: str, before: str) -> tuple[str, str] | None:
    """``As the footage rolls on, a dog barks`` as ``Then a dog barks``, and what was taken; else None."""
    if part := _PART.match(sentence):
        put = next(word for word, number in _NUMBERED if re.search(number, part[0], re.I))
        rest = sentence[part.end() :]
        return put + rest if put != "Then " or before else rest[:1].upper() + rest[1:], part[0]
    if label := _LABEL.match(sentence):
        rest = sentence[label.end() :]
        return rest[:1].upper() + rest[1:], label[0]
    hit = _AROUND.match(sentence)
    if hit is None or _PLACE.search(hit["when"]):
        return _time_inside(sentence)
    put = next((word for pattern, word in _WHEN if re.search(pattern, hit["when"], re.I)), "")
    if put == "Then " and not before:
        put = ""
    rest = sentence[hit.end() :]
    return (put + rest if put else rest[:1].upper() + rest[1:]), hit["when"]


_BETWEEN = re.compile(
    rf"(?<=\w), (?P<when>{_PREP}\b[^,.;:\ue000]{{0,40}}?\b{MEDIUM}[^,.;:\ue000]{{0,40}}),(?= )",
    re.I,
)


def _time_inside(sentence: str) -> tuple[str, str] | None:
    hit = _BETWEEN.search(sentence)
    if hit is None or _PLACE.search(hit["when"]):
        return None
    put = next((word for pattern, word in _WHEN if re.search(pattern, hit["when"], re.I)), "")
    put = f", {put.strip(' ,').lower()}," if put else ","
    return sentence[: hit.start()] + put + sentence[hit.end() :], hit["when"]
