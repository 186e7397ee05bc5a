"""Words that speak of the video and not of what is seen, as parts of patterns."""

from __future__ import annotations

import re

Swaps = tuple[tuple[re.Pattern[str], str], ...]
"""Phrases, and what stands for each."""

EMPTY = (
    r"(?:(?:short|brief|quick|little|provided|given|supplied|following|entire|whole|full|current|present|attached"
    r"|uploaded|shared|sample|input|shown|described|original|particular|same|\w+[- ]second(?:s|[- ]long)?|\d+"
    r"|two|three|four|five|six|seven|eight|single|still(?= (?:frames|images|pictures|shots))|camera|raw|video"
    r"|image|film|user[- ]provided|accompanying"
    r"|submitted|referenced|available|individual|extracted|sampled|consecutive|sequential|successive),? )"
)
"""Adjectives of a medium that say nothing of what is seen."""
STILLS = r"(?:frames|images|pictures|photos|photographs|stills|screenshots|snapshots)"
PLAIN = (
    r"(?:video(?: (?:clip|footage|sequence|recording|segment|snippet|file|content)s?)?|videos|clips?|footage|images?"
    r"|pictures?|photos?|photographs?|frames?|stills?|sequences?|scenes?|snippets?|recordings?|visuals?|segments?"
    r"|shots?|gif|filmstrip|screenshots?|(?:series|sequence|set|collection|succession) of (?:[\w-]+ )?"
    rf"{STILLS}(?: from (?:a|the|this) video)?|(?:image|frame|video) sequence)"
)
GIVEN = (
    r"(?: (?:(?:that )?(?:you(?:['’]ve| have)?|i(?:['’]ve| have)? been) (?:sent|shared|provided|uploaded|given|shown"
    r"|attached)|provided|given|above|below|shown|itself|here))?"
)
BARE = rf"(?:this|the|these|that|those|our|your) {EMPTY}*{PLAIN}{GIVEN}"
"""``the short video clip``: a medium of which nothing is said."""
SURE = (
    r"(?:this|the|these|your) (?:(?:short|brief|entire|whole|provided|given|following|uploaded|full) )*(?:video"
    r"(?: (?:clip|footage|sequence|recording|segment))?|footage|frames|images|sequence of (?:frames|images)"
    r"|image sequence|visuals|(?:visual )?narrative|visual (?:journey|story))"
    rf"{GIVEN}"
)
"""Such a medium that is hardly a thing in the scene: what it is said to do is said of the recording."""
TIMES = (
    r"(?:first|second|third|fourth|next|last|final|opening|closing|previous|subsequent|initial|later|latter|middle"
    r"|early|ending|establishing|remaining|rest|other|same|camera|title|following|visual|main|primary)"
)
STYLED = (
    rf"(?:this|the) ((?!{TIMES}\b)(?:(?!(?:is|are|was|were|of|in|on|at|with|and|a|an|the|to|from|his|her|its"
    r"|their|who|that|which|as|by|for|shows?|man|woman|person|boy|girl|people|child)\b)[\w-]+,? ){1,4})"
    r"((?:video|clip|footage|images?|pictures?|photo(?:graph)?|sequence|scene|recording|shot|view|film|animation"
    r"|montage|timelapse|time-lapse|hyperlapse|cartoon|rendering|close-up|closeup)(?: (?:clip|footage|shot|sequence"
    r"|video))?)"
)
"""``this grainy black-and-white`` ``footage``: style and medium, which stay."""
KINDS_OF = (
    r"(?:this|the) (animation|montage|timelapse|time-lapse|hyperlapse|cartoon|close-up|closeup|animated gif|collage"
    r"|vlog|slideshow|compilation)"
)
ADVERB = (
    r"(?:,? (?:also|clearly|mainly|primarily|simply|briefly|just|prominently|vividly|initially|now|first|mostly"
    r"|predominantly|beautifully|effectively|continuously|consistently|further|then|again|likely|probably|possibly"
    r"|essentially|specifically|successfully|skil?lfully|perfectly|generally|solely|only|closely))?"
)
SEEMS = (
    r"(?:(?:appears?|seems?|continues?|serves?|goes on|go on|proceeds?|is likely|are likely) to )?"
)
_BLANK = (
    r"(?:(?:brief|quick|clear|detailed|fascinating|intimate|rare|unique|comprehensive|good|nice|compelling|captivating"
    r"|glimpsing|vivid|engaging|short|simple|visual|general|sneak|candid|snapshot|rich|immersive|beautiful|stunning"
    r"|charming|lively|interesting) )?"
)
"""Adjectives of a look at something that say nothing; ``an aerial view of`` does."""
_LOOK = r"(?:view|look|glimpse|overview|peek|insight|snapshot|perspective|depiction|portrayal|representation|account)"
SHOWS = (
    rf"(?:{SEEMS}(?:shows?|depicts?|features?|captures?|displays?|presents?|portrays?|illustrates?|showcases?"
    r"|contains?|includes?|documents?|reveals?|records?|highlights?|chronicles?|demonstrates?|conveys?|evokes?|exudes?"
    r"|encapsulates?|exhibits?|describes?|details?|introduces?|explores?|spotlights?|emphasi[sz]es?|narrates?"
    r"|represents?|observes?|opens up on|zeroe?s in on|homes in on|(?:serves?|acts?|functions?) as|covers?|catches"
    r"|catch|centers? (?:on|around)"
    r"|consists? (?:mainly |primarily |entirely |solely )?of|comprises?|is comprised of"
    rf"|(?:provides?|offers?|gives?|presents?)(?: us| (?:the )?viewers?| you)? (?:with )?(?:an?|some) {_BLANK}{_LOOK}"
    r" (?:of|at|into|on)|(?:provides?|offers?|gives?)(?: us| (?:the )?viewers?| you)?(?: with)?(?= an? [\w-]+ "
    r"(?:[\w-]+ )?(?:view|look|perspective|shot|angle)\b)"
    r"|focus(?:es)? (?:closely |mainly |primarily |mostly |solely )?(?:on|in on|upon)|(?:is|are) (?:mainly "
    r"|primarily )?"
    r"(?:focused on|cent(?:er|re)d (?:on|around)|composed of|comprised of|dedicated to|made up of|characteri[sz]ed"
    r" by|marked by|dominated by)"
    r"|cent(?:er|re)s (?:on|around)|revolves? around|unfolds? with|tells? (?:the|a) story of"
    r"|maintains? (?:a |its )?(?:consistent |steady |constant |sharp )?focus on"
    r"|(?:suggests?|indicates?|implies|imply|confirms?) that|(?:is|are) (?:of|about)(?= (?:an?|the|two|three|four"
    r"|several|some|many|people|men|women)\b)))"
    r"(?: (?:(?:a|the) (?:series|sequence|set|collection) of (?:(?:video )?frames|images|stills)(?: (?:of|showing"
    r"|depicting|featuring|from|in which))|(?:a|the) (?:(?:brief |short |single )?(?:scene|moment|clip|video"
    r"|visual narrative|visual story|situation|instance))(?: (?:of|from|where|in which|featuring|showing"
    r"|depicting))|(?:a|the) (?:view|glimpse) of))?"
)
"""What a medium does with what is seen; also ``shows a scene where``, ``consists of a series of frames showing``."""
OPENS = (
    r"(?:begins?|starts?|opens?|commences?|kicks? off|initiates?) (?:off |out |up )?(?:with|on|by showing|in on"
    r"|by depicting|by focusing on|by introducing)(?: (?:a|the) (?:view|glimpse|scene) of)?"
)
ENDS = (
    r"(?:ends?|concludes?|finish(?:es)?|closes?|wraps? up|culminates?) (?:off )?(?:with|on|by showing|in)"
    r"(?: (?:a|the) (?:view|glimpse|scene) of)?"
)
THEN = (
    r"(?:transitions?|cuts|shifts?|switch(?:es)?|changes|moves on|fades|progress(?:es)?) (?:over )?(?:to|into)"
    r"(?: showing| show)?(?: (?:a|the) (?:view|scene) of)?"
)
THAT = r"(?: (?:us|that|how|viewers))?"
NOUN = (
    r"(?=(?:an?|the|two|three|four|five|several|some|many|various|people|men|women|children|[a-z-]+(?:ing|s|ed)|[A-Z])\b"
    r"|\ue000)"
)
SUMMING = (
    r"(?:(?:overall|in summary|in conclusion|to summari[sz]e|to sum up|in short|in essence|essentially|additionally"
    r"|moreover|furthermore|in general|all in all|as a whole|ultimately|from the (?:images|frames|video) provided)"
    r",? )?"
)
MOVIE = r"(?:video|clip|footage|recording|sequence|film|reel|segment)(?: (?:clip|footage|recording|sequence))?"
FEELING = (
    r"(?:(?!(?:an?|the|his|her|its|their|depth|space|scale|motion|direction|dimensions?|dimensionality|proximity"
    r"|density"
    r"|velocity|acceleration|height|size|volume|vastness|openness|movement|speed|distance|perspective|elevation"
    r"|rotation"
    r"|progression|spaciousness|immensity|gravity|weight|balance|symmetry|texture|light|lightness|darkness|colou?r)\b)"
    r"[\w-]+(?:,? (?:and |or )?(?!(?:an?|the|his|her|its|their|of|in|on|at|from|with|as|by|between|for|to|through|that"
    r"|who|depth|space|scale|motion|movement|speed|distance)\b)[\w-]+){0,5})"
)
"""``quiet contemplation``, ``joy and freedom``; a sense of depth or of speed is something that is seen."""
SCOPE = (
    r"(?: (?:in|to|within|throughout|about) (?:the|this) (?:entire |whole |overall )?(?:scene|video|clip|footage|image"
    r"|frame|moment|setting|composition|space|viewer|shot))?"
)


def patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    """Each compiled; case does not matter."""
    return tuple(re.compile(text, re.I) for text in texts)


def swaps(*pairs: tuple[str, str]) -> Swaps:
    """Each pattern compiled, with what stands for it; case does not matter."""
    return tuple((re.compile(text, re.I), instead) for text, instead in pairs)
