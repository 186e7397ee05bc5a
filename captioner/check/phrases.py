"""Phrases about the video at the opening of a sentence, and what stands for each."""

from __future__ import annotations

from captioner.check.talk import (  # fmt: skip
    ADVERB,
    BARE,
    EMPTY,
    ENDS,
    GIVEN,
    KINDS_OF,
    MOVIE,
    NOUN,
    OPENS,
    PLAIN,
    SHOWS,
    STILLS,
    STYLED,
    SUMMING,
    SURE,
    THAT,
    THEN,
    swaps,
)

_SOME = r"(?:an?|the|two|three|four|several|some|many|we|you|there|it|people|men|women)\b"
_RECORDED = r"(?:frames?|images?|pictures?|stills?|part|portion|section|segment|moments|seconds)"
_KEPT_VERBS = (
    r"(?:is|was|has|does|follows|zooms|pans|tilts|tracks|pulls|pushes|circles|orbits|moves|travels|loops|reverses"
    r"|freezes|compares|contrasts|alternates|blurs|fades|cuts|plays|shifts|uses|employs|lasts|becomes|remains|stays"
    r"|keeps|ends|begins|starts|opens|closes|concludes|transitions|switches|takes|leads|runs|utili[sz]es|across|this"
    r"|maintains|slows|speeds|combines|mixes|blends|juxtaposes|repeats|says|reads)"
)
"""What a recording does that is seen in it, or that is more than showing."""
_NO_SHOT = r"(?!(?:this|the) shots?\b)"
"""A shot that begins on something and cranes up is camera work."""

OPENINGS = swaps(
    # The video shows how to change a tire: what is done stays
    (
        rf"^{BARE} (?:shows?|demonstrates?|explains?|illustrates?|teaches|details) (?:(?:us|you|viewers?|step"
        r" by step|in detail) )?how to (?=\w)",
        "how to ",
    ),
    (
        rf"^(?:in|within|across|during|from) {BARE},?\s*there (?:is|are) "
        r"(?=(?:an?|two|three|several|some|many)\b)",
        "",
    ),
    # In this clip, | Based on the frames provided, it is clear that
    (
        rf"^(?:in|within|across|during|throughout|over|through|based on|from|judging (?:by|from)|according to"
        rf"|looking at"
        r"|looking through|given|as seen in|as shown in|upon (?:viewing|reviewing|analy[sz]ing)|after"
        r" (?:viewing|reviewing)"
        r"|from analy[sz]ing|at|on analy[sz]ing) "
        rf"{BARE},\s*(?:and )?",
        "",
    ),
    (
        rf"^(?:in|within|across|during|from) {BARE} "
        r"(?=(?:an?|the|two|three|four|several|some|many|we|you|there|it)\b)",
        "",
    ),
    (
        r"^(?:it (?:can be|is|may be) (?:clearly )?(?:seen|clear|evident|apparent|observed|noted|noticed"
        r"|inferred|obvious)"
        r"|as (?:can be|is) seen|it should be noted|it(?:['’]s| is) (?:worth|important to) not(?:e|ing)),?"
        r" (?:that )?",
        "",
    ),
    (r"^from what (?:we|you|i) can see,? ", ""),
    (
        r"^(?:from|in|based on) my (?:analysis|observations?|view|assessment|understanding),? ",
        "",
    ),
    (r"^(?:based on|from|judging by) what (?:is|we|you|i|one|can)\b[^,]{0,30}, ", ""),
    (rf"^{BARE} (?:is|are) [^,.;]{{2,30}} and {SHOWS}{THAT} {NOUN}", ""),
    (
        r"^(?:the user|you(?:['’]ve| have)?)(?: has| have)? (?:provided|uploaded|shared|sent|given)(?: me)?(?:"
        r" with)? "
        rf"(?:an?|some|the) {EMPTY}*{PLAIN} (?:of|showing|featuring|depicting|in which|where) ",
        "",
    ),
    (r"^my (?:impression|understanding|guess|interpretation) is that ", ""),
    (r"^as (?:we|you|(?:the )?viewers?)(?: can)? (?:watch|see|look on|observe),? ", ""),
    (r"^to (?:describe|summari[sz]e) (?:the|this) (?:video|clip|scene|footage)[:,] ", ""),
    # Viewers are treated to
    (
        r"^(?:we|you|(?:the )?viewers?) (?:are|is) (?:then |also |first |now )?(?:shown|treated to|presented"
        r" with|given"
        r"|introduced to|offered|greeted (?:by|with)|(?:taken|led|transported|invited) (?:to|through|on|into"
        r"|inside)) ",
        "",
    ),
    (
        rf"^(?:all (?:of )?(?:the |these )?|each (?:of (?:the|these) )?|every |both )(?:frames?|images?|pictures?"
        rf"|stills?){ADVERB} {SHOWS}{THAT} ",
        "",
    ),
    (
        rf"^the (?:sequence|progression|transition|change|movement)s? (?:of|between|across|from) (?:the )?{STILLS}"
        rf"{ADVERB} {SHOWS}{THAT} ",
        "",
    ),
    (rf"^the (?:rest|remainder) of {BARE} {SHOWS}{THAT} {NOUN}", "after that, "),
    (rf"^{BARE} (?:ends|concludes|closes|finishes) (?:as|when|while) ", "at the end, "),
    (
        rf"^((?:set|shot|filmed|captured|recorded|rendered|presented|taken|seen|viewed|drawn|animated|framed)\b"
        rf"[^,.]{{3,60}}), {BARE}{ADVERB} {SHOWS}{THAT} (?=\w|\ue000)",
        r"\1, ",
    ),
    # It looks like the video shows
    (
        rf"^(?:it (?:looks|seems|appears)(?: like| that| as (?:if|though))?|i (?:believe|think|can tell)(?:"
        rf" that)?) "
        rf"(?={BARE}{ADVERB} {SHOWS})",
        "",
    ),
    # The images appear to be frames taken from a video of | These frames are from a fixed camera
    (
        rf"^{BARE} (?:(?:is|are|appears? to be|seems? to be|looks? like) )(?:(?:all|a|an|part of|the) )*"
        rf"(?:{STILLS} )?(?:(?:taken|extracted|captured|drawn|sampled|coming) )?from (?:a|the|this|one|some) "
        rf"{EMPTY}*(?:video|clip|recording|footage|film)(?: clip)? (?:of|showing|featuring|in which|that shows"
        r"|depicting|where) ",
        "",
    ),
    (
        rf"^{BARE} (?:is|are|comes?|appears? to be) (?:taken |captured )?from (?=an? )",
        "seen from ",
    ),
    # The final frame shows | In the next frames
    (
        rf"^the (?:final|last|closing|concluding|ending) (?:few )?{_RECORDED}(?: of {BARE})? {SHOWS}{THAT} {NOUN}",
        "at the end, ",
    ),
    (
        rf"^the (?:next|following|subsequent|second|third|fourth|later|remaining|latter) (?:few )?{_RECORDED}"
        rf"(?: of {BARE})? {SHOWS}{THAT} {NOUN}",
        "then ",
    ),
    (
        rf"^the (?:first|initial|opening|early) (?:few )?{_RECORDED}(?: of {BARE})? {SHOWS}{THAT} {NOUN}",
        "at first, ",
    ),
    (
        r"^in the (?:next|following|subsequent|later|succeeding|second|third|fourth) (?:few )?(?:frames?"
        r"|images?|pictures?|stills?"
        r"|segments?),? (?:there (?:is|are) )?",
        "then ",
    ),
    # Frame 1: | In frames 2-4,
    (
        rf"^(?:in )?(?:frames?|images?|pictures?|stills?|screenshots?) (?:\d+|one|two|three|four)"
        rf"(?:\s*(?:-|–|to|and|through)\s*\d+)?(?: \([^)]*\))?(?:\s*[:,–—-]\s*| {SHOWS}{THAT} )",
        "",
    ),
    # The video shows | Overall, the footage captures
    (rf"^{SUMMING}{BARE}{ADVERB} {SHOWS}{THAT} ", ""),
    (rf"^{SUMMING}{_NO_SHOT}(?:{BARE}|{SURE}){ADVERB} {OPENS}{THAT} ", ""),
    (rf"^{SUMMING}{SURE}{ADVERB} {SHOWS}{THAT} ", ""),
    (
        rf"^{SUMMING}{SURE} (?:continues?|unfolds?|begins?|starts?|opens?|progress(?:es)?|proceeds?) (?:as"
        rf"|while) (?={_SOME})",
        "",
    ),
    (
        rf"^{SUMMING}{SURE} (?:takes|leads|guides|transports|invites|brings|immerses) (?:us|you|(?:the )?viewers?) "
        rf"(?:on|through|into|inside|to|in|along) (?={_SOME})",
        "",
    ),
    # Any other verb: The video traces a river
    (
        rf"^{SUMMING}{SURE}{ADVERB} (?!{_KEPT_VERBS}\b)[a-z]{{3,}}(?:s|es) (?=(?:an?|the|two|three|four"
        r"|several|some|many)\b)",
        "",
    ),
    (
        rf"^{SUMMING}(?:this|the) {EMPTY}*(?:video|clip|footage|recording)(?: clip)?{GIVEN} (?:is|appears to be"
        r"|seems to be|looks like) (?=an? (?!(?:bit|little|lot)\b))",
        "",
    ),
    (
        rf"^{SURE} (?=(?:maintains?|remains?|keeps?|stays?|retains?|(?:is|are) (?:well|brightly|dimly|softly|evenly"
        r"|poorly|warmly|naturally)[- ]lit)\b)",
        "the scene ",
    ),
    (
        rf"^{SUMMING}{BARE}, (?:which (?:is|was|appears to be|seems to be) )?((?:likely |apparently |possibly "
        rf"|probably )?"
        rf"(?:shot|filmed|captured|recorded|taken|rendered|presented|set) [^,.]{{3,60}}), "
        rf"{SHOWS} {NOUN}",
        r"\1, ",
    ),
    # The video follows | zooms in on: that is the camera
    (
        rf"^(?:this|the) {EMPTY}*{MOVIE}(,? then)? (follows|zooms|pans|tilts|pulls (?:back|out)|pushes|tracks"
        r"|circles|orbits) ",
        r"the camera\1 \2 ",
    ),
    (rf"^(?:this|the) {EMPTY}*{MOVIE}['’]s (?=\w)", "the "),
    (
        rf"^(?:the )?(?:video|footage|clip|recording|images?|frames) (?:{SHOWS}|{OPENS}){THAT} ",
        "",
    ),
    (
        rf"^(?:finally, )?{BARE}(?:,? (?:then|finally|eventually|ultimately|later))? {ENDS} {NOUN}",
        "at the end, ",
    ),
    (
        rf"^(?:finally, )?{BARE}(?:,? (?:then|finally|eventually|ultimately|later))? ({ENDS}) ",
        r"it \1 ",
    ),
    (
        rf"^{BARE}(?:,? (?:then|later|next|subsequently|finally|eventually|abruptly|suddenly|smoothly|quickly))? "
        rf"{THEN} {NOUN}",
        "then ",
    ),
    (
        rf"^{BARE},? (then|later|next|finally|eventually|subsequently),? {SHOWS}{THAT} ",
        r"\1 ",
    ),
    # The video is a close-up shot of | takes place in a kitchen, where
    (
        rf"^{BARE} (?:is|are|appears to be|seems to be) (?=an? (?:[\w-]+,? ){{0,5}}(?:shot|view|close-up|closeup"
        r"|animation|timelapse|time-lapse|montage|recording|footage|clip|video|scene|perspective|vlog|tutorial"
        r"|advertisement|commercial|portrait|tour|cartoon|sequence|rendering|film|short|compilation|collage"
        r"|slideshow|capture"
        r"|screencast)\b)",
        "",
    ),
    (
        rf"^(?:this|the) {EMPTY}*{MOVIE}(?: narrative| story)? (?:takes? place|is (?:set|taken|recorded"
        r"|located)|unfolds|begins|starts|opens) "
        r"(?=(?:in|on|at|inside|outside|under|near|by|along|beside|beneath|behind|between|above|over|within)\b)",
        "",
    ),
    # This is a video of | Footage of | A short clip showing
    (
        rf"^(?:this is|there is|it is|it['’]s|these are|here is|here we have) (?:(?:an?|the) )?{EMPTY}*{PLAIN} "
        rf"(?:of|in which|where|from|(?:that )?(?:{SHOWS})|showing|featuring|depicting|capturing){THAT} ",
        "",
    ),
    (
        r"^(?:this is|it is|it['’]s|(?:this|it) (?:appears|seems) to be|this looks like) (?=an? (?:[\w-]+,?"
        r" ){0,5}(?:shot|view|close-up|closeup|animation|timelapse"
        r"|time-lapse|montage|footage|clip|video|film|perspective|render(?:ing)?|recording|screencast)\b)",
        "",
    ),
    (
        rf"^(?:(?:an?|one) {EMPTY}*(?:video|clip|gif|snippet|recording)(?: clip| sequence| recording| footage)?"
        rf"|footage|{EMPTY}?video footage|(?:an? )?{EMPTY}*(?:series|sequence|set|collection) of"
        r" (?:\w+ )?(?:frames|images|pictures|photos|stills|screenshots)) "
        rf"(?:of|in which|where|from|(?:that )?(?:{SHOWS})|showing|featuring|depicting|capturing|displaying"
        rf"|presenting){THAT} "
        r"(?![^.]*\b(?:(?:plays?|is playing|runs?|loops?|hangs?) (?:on|in)|is (?:played|shown|projected))\b)",
        "",
    ),
    (
        rf"^(?:an?|one) {EMPTY}*(?:image|picture|photo(?:graph)?|frame|still|shot|screenshot) "
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
        r"^((?:in|at|on|from|as|after|before|behind|throughout|inside|outside|near|through|to) [^,.;]{3,60}),?"
        r" (?:we|you)"
        r"(?: can| could)?(?: also| then| now)? (?:see|observe|notice|witness) ",
        r"\1, ",
    ),
    (r"^what (?:can be|is) seen(?: here)? (?:is|are) ", ""),
    (
        r"^what (?:we|you)(?: are|['’]re| can)? (?:see|seeing|look at|looking at|have)(?: here)? (?:is|are) ",
        "",
    ),
)
"""Phrases about the video at the opening of a sentence, and what stands for them."""
STYLES = swaps(
    (rf"^{SUMMING}{STYLED}{ADVERB} {SHOWS} {NOUN}", r"\1\2 of "),
    (rf"^{SUMMING}{KINDS_OF}{ADVERB} {SHOWS} {NOUN}", r"\1 of "),
    (rf"^{BARE} {SHOWS} (?:in|at) ([\w-]+(?: [\w-]+)?) {NOUN}", r"\1, "),
)
"""Style and medium stay: ``This grainy footage shows`` becomes ``Grainy footage of``."""
