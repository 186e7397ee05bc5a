"""What a scene is said to do to whoever watches it: mood, meaning and praise, as clauses and as whole sentences.

A clause is judged by the parts it has: a verb of giving or telling, what is given, and whether anything in it can be
seen. ``creating a sense of calm`` is talk; ``creating a sense of depth`` and ``creating ripples`` are seen. A plain
statement of mood ("The atmosphere is festive") stays: it says in two words what a model may be asked for.
"""

from __future__ import annotations

import re
from functools import lru_cache

from captioner.check.talk import BARE, SUMMING, SURE, patterns


def _forms(stems: str, ends: str) -> str:
    """Stems of verbs with any of some endings."""
    return rf"(?:{'|'.join(stems.split())})(?:{ends})"


_EVOKE = (
    "add creat evok convey contribut enhanc exud instil instill impart foster radiat invok imbu infus"
    " heighten deepen amplif elevat express communicat inspir elicit intensif generat stir summon spark arous invit"
    " encourag immers transport lend giv bring leav remind inject complement enrich offer provid allow mak build"
    " suggest hint draw signal"
)
_TELL = (
    "reflect captur underscor underlin reinforc embod symboliz symbolis celebrat emphasiz emphasis highlight showcas"
    " illustrat demonstrat establish accentuat represent epitomiz epitomis exemplif mirror echo speak"
)
_BOTH = f"{_EVOKE} {_TELL}"
_NEVER_SEEN = (
    "evok convey exud instil instill foster underscor symboliz symbolis embod imbu epitomiz epitomis exemplif"
    " encapsulat elicit reaffirm evinc"
)
"""Verbs of what is never seen, whatever their object is."""
_ING, _S, _PLAIN = "t?ing|ying", "e?s|ies", "e?s|ies|e|y|"
_HOW = r"(?:(?:also|further|all|only|together|\w+ly) )*"
GIVEN = (
    r"(?:sense|feelings?|feel|moods?|atmospheres?|ambian?ces?|ambiences?|vibes?|impressions?|emotions?|emotional"
    r"|tension|drama|intimacy|charm|appeal|intrigue|narratives?|storytelling|spirit|essence|beauty|grandeur|majesty"
    r"|elegance|serenity|tranquill?ity|dynamism|vitality|liveliness|excitement|joy|joyfulness|happiness|nostalgia"
    r"|mystery|suspense|passion|dedication|skills?|craftsmanship|expertise|professionalism|mastery|talent|artistry"
    r"|creativity|importance|significance|bonds?|connections?|camaraderie|teamwork|determination|authenticity|realism"
    r"|relatability|immersion|immersive|viewers?|viewer['’]s|viewers['’]|imagination|curiosity|wonder|awe"
    r"|anticipation"
    r"|urgency|solitude|isolation|loneliness|melancholy|harmony|peacefulness|calm|calmness|simplicity|resilience"
    r"|perseverance|humou?r|whimsy|warmth|coziness|cosiness|romance|sophistication|personality|playfulness|innocence"
    r"|affection|tenderness|friendship|kinship|unity|togetherness|heritage|ingenuity|precision|complexity|uncertainty"
    r"|unease|relaxation|contemplation|introspection|concentration|commitment|confidence|pride|triumph|achievement"
    r"|freedom|fragility|passage of time|daily life|everyday life|rural life|urban life|city life"
    r"|visual (?:appeal|interest|impact)|comedic|humorous|poetic|timeless\w*|optimism|sadness|sorrow|grief|enjoyment"
    r"|interest|energy|experience|an? (?:[\w-]+ ){1,2}dynamic\b(?! \w)|mind at peace|(?:playful|serene|dynamic"
    r"|calm|\w+al|\w+ed|\w+ful|\w+ive) nature"
    r"|nature of the (?:scene|video|moment|event|occasion|activity|setting)"
    r"|(?!(?:harness|witness|business|governess|wilderness|fitness|illness)\b)\w{3,}ness|(?!(?:city|facility"
    r"|university|electricity|security|celebrity|deity"
    r"|utility|cavity|extremity|commodity|quantity|majority|minority|vicinity|entity|velocity|proximity|density"
    r"|identity)\b)\w{2,}ity"
    r"|(?:child|brother|sister|parent|mother|father|woman|man)hood|(?:friend|kin|companion|partner|leader"
    r"|craftsman|sportsman)ship"
    r"|(?:innoc|persist|eleg|resili|exuber|radi|ambi|rever|transi|imperman|abund)[ea]nce|raw power|bravery"
    r"|courage|grace|rawness|trust|discipline|power of"
    r"|hard work|effort|sheer (?:size|scale)|an? (?:[\w-]+,? (?:and |yet )?){1,3}(?:touch|element|layer|quality"
    r"|dimension|note|air|hint|edge|flair|undertone|flavou?r|tone)(?! of))"
)
"""What nobody sees in a picture, and captions say that it gives."""
SEEN = re.compile(
    r"\b(?:camera|shots?|angles?|lens|depth|space|scale|speed|motion|perspective|light(?!ness|hearted|-hearted)\w*"
    r"|lit|glow\w*|shadows?|colou?r\w*|palette|contrast\w*|textures?|silhouettes?|reflections?(?! on)|patterns?"
    r"|blur\w*|bokeh|haze|hazy|sepia|monochrom\w*|grain\w*|vintage|retro|cinematic|noir|painterly|anime|cartoon\w*"
    r"|surreal\w*|dream\w*|documentary(?!-like)|symmetr\w*|frame rate|slow|time-lapse|handheld|zoom\w*|pan|pans"
    r"|tilts?"
    r"|close-up|wide|golden|blue|red|green|orange|yellow|purple|pink|white|black|dark\w*|bright\w*|dim\w*|style)\b",
    re.I,
)
"""A clause with such a word says how it looks."""
_STOP = (
    r"(?!, (?:as|while|with|when|before|until|where)\b| (?:as|while) (?:an?|the|he|she|they|it)\b)"
)
_ON = rf"(?:{_STOP}[^.;!])"
_END = r"(?=[.;!]|$|,? (?:as|while|with|when|before|until|where) )"  # fmt: skip
TAILS = patterns(
    # ..., thereby adding to the tension | which gives the whole a festive feel
    r"(?:,|;| -+| [–—])(?: (?:all|while|thus|and|also|as if|in turn|a (?:detail|contrast|moment|scene|touch)"
    r"|\w+ly"
    rf"|further|together))* (?:{_forms(_BOTH + ' set', _ING)}|(?:which"
    rf"|that) (?:seems? to )?{_HOW}{_forms(_BOTH + ' carr set', _S + '|ry|')})\b{_ON}{{0,120}}?"
    rf"\b{GIVEN}\b{_ON}{{0,90}}?{_END}",
    # ... and conveys a sense of | to evoke
    r",? (?:and|that|to"
    rf"|which) {_HOW}{_forms('evok convey exud radiat instil instill enhanc contribut', _PLAIN)}\b"
    rf"{_ON}{{0,80}}?\b{GIVEN}\b{_ON}{{0,90}}?{_END}",
    rf",? (?:and|that|to|which) {_HOW}{_forms('creat add lend giv bring mak', _PLAIN)} (?:to )?(?:an?|the|its)? ?"
    rf"(?:[\w-]+,? (?:and )?){{0,4}}?{GIVEN}\b{_ON}{{0,90}}?{_END}",
    # ..., his calm face conveying years of practice
    r", (?:his|her|its|their|the) (?:[\w'’-]+,? (?:and"
    rf" )?){{1,5}}?(?:{_forms(_BOTH, _ING)})\b{_ON}{{0,60}}?\b{GIVEN}\b{_ON}{{0,90}}?{_END}",
    # ..., a perspective that allows us to | leaving viewers
    r"(?:,|;| -+| [–—])(?: (?:and|as if|as though|all|while|thus|thereby|\w+ly))* (?:(?:an?"
    r"|the) (?:[\w-]+ ){1,3}(?:that|which) |which )?(?:allow|let|lett|giv|help|invit|enabl|encourag"
    r"|leav|mak|draw|pull|transport|remind|immers|keep|ask|tempt|lull|lead|guid|offer|grant|plac|put"
    r"|provid)(?:ing|e?s) (?:us|you|viewers?|the (?:viewer|audience|observer|onlooker)s?|anyone"
    r"|everyone|one(?=['’]| (?:to|feel|wonder|imagine|think|see|sense|curious|hungry|in awe|in suspense"
    r"|with (?:an?|the) (?:sense|feeling|impression))\b))"
    rf"(?:['’]s?)?\b{_ON}{{0,120}}?{_END}",
    # ... and creating an inviting mood
    rf",? and {_HOW}{_forms(_BOTH, _ING)} {_ON}{{0,60}}?\b{GIVEN}\b{_ON}{{0,90}}?{_END}",
    # ..., underscoring anything: no such verb is seen
    r"(?:,|;| -+| [–—])(?: (?:all|while|thus|and|also|in turn|\w+ly|further"
    rf"|together))* (?:{_forms(_NEVER_SEEN, _ING)}|(?:which|that) {_HOW}{_forms(_NEVER_SEEN, _PLAIN)})\b"
    rf"{_ON}{{2,140}}?{_END}",
    r", (?:setting|which sets|establishing|which establishes) (?:the"
    rf"|an?) (?:[\w-]+,? (?:and )?){{0,3}}(?:tone|mood|stage|atmosphere)\b{_ON}{{0,60}}?{_END}",
    # ..., a skill honed over many years
    r", (?:clearly |truly |simply |perhaps )?an? (?:[\w-]+ (?:and )?){0,3}(?:skill|feat|sight|spectacle"
    r"|moment(?! (?:later|before|after|ago))|ritual|contrast)\b[^.;,]{0,60}(?=[.;]|$)",
    # ..., the whole scene feeling timeless
    r",(?: and)? (?:the|its) (?:whole|entire|overall) (?:scene|effect|mood|atmosphere|impression|feeling"
    r"|experience)"
    r" (?:feeling|being|remaining|evoking|one of|conveying|suggesting)\b[^.;]{0,60}(?=[.;]|$)",
    # ..., with an emphasis on the beauty of
    r",? with (?:an?|the|its) (?:[\w-]+ )?(?:focus"
    rf"|emphasis) (?:being )?on {_ON}{{0,40}}?\b{GIVEN}\b{_ON}{{0,90}}?{_END}",
    r", (?:as )?an? (?:[\w-]+ ){0,3}(?:reminder|testament|tribute|ode|homage|symbol|metaphor|celebration)"
    r" (?:of|to|for)\b[^.;]{0,80}(?=[.;]|$)",
    r",? (?:making|rendering) (?:it|this|the \w+(?: \w+)?|for)\b[^.;]{0,40}\b(?:watch|viewing|viewers?|engaging"
    r"|captivating|compelling|memorable|relatable|interesting|entertaining|enjoyable|appealing|mesmeri[sz]ing"
    r"|satisfying|fascinating)\b[^.;]{0,40}(?=[.;]|$)",
)
"""Ends of sentences."""
_MEDIUM = rf"(?:{BARE}|{SURE}|the (?:whole|entire|overall) \w+)"
_TOTAL = (
    r"(?:scene|moment|setting|composition|combination|juxtaposition|interplay|interaction|exchange|atmosphere|mood"
    r"|effect|feeling|vibe|ambian?ce|pacing|editing|presentation|framing|imagery|visuals?|presence|absence|lack"
    r"|repetition|simplicity|stillness|silence|choice|backdrop|environment|narrative|story|sequence|result|whole"
    r"|arrangement|blend|mix|mixture|attention to detail|event|routine|process|theme|experience|overall \w+"
    r"|general \w+|camera ?work|cinematography|transitions?)"
)
_BEARING = (
    r"(?:demeanou?r|body language|expressions?|gestures?|posture|movements?|actions?|performance|energy|details?"
    r"|elements?|activity|design|style|display|landscape|scenery|vista|dynamic|dynamics|focus|gaze|smiles?|laughter)"
)
_OF = r"(?: (?:of|in|between|with|within|at|on|from|and|throughout) [^,.;]{2,70}?)?"
_THE = r"(?:the|this|that|these|its|his|her|their|each|every|such|an?)"
_WORDS = (
    r"(?:(?!(?:an?|the|his|her|their|its|which|that|who|is|are|was|were|and|or|while|as|in|on|at|to|with|by|from|into"
    r"|over)\b)[\w'’-]+,? ){1,5}?"
)
"""The rest of a plain subject, after its article."""
_ABSTRACT = (
    r"(?:it|this|that|these|all(?: of)? (?:this|these|it)|together,?(?: (?:they|these|it))?|everything"
    rf"|{_MEDIUM}|{_THE} (?:[\w'’-]+,? (?:and )?){{0,4}}?(?:{_TOTAL}|{_BEARING}){_OF})"
)
"""Subjects that are no thing in the picture."""
_ONLY = (
    r"(?!.*(?:,|\b(?:as|while|who|whose|where|when|then|before|after)\b) ?(?:an?|the|he|she|they|it|two|three"
    r"|his|her|one)\b)"
)
"""No clause beside it that may say what is seen."""
_JUDGED = (
    r"(?:reminder|testament|celebration|representation|tribute|feast|metaphor|symbol|homage|ode|delight|statement"
    r"|embodiment|meditation|reflection of|slice of|treat|pleasure|study in|lesson in|visual (?:poem|journey|story)"
    r"|examples? of (?!an?\b)|(?:portrayal|depiction|glimpse|snapshot|picture|window) (?:of|at|into"
    r"|on) (?:[\w-]+ ){0,2}(?:life|childhood|love|nature"
    rf"|parenthood|humanity|culture|{GIVEN})\b)"
)
_VERY = r"(?:(?:very|quite|truly|really|both|simply|rather|so|a bit|\w+ly) )*"
_PRAISE = (
    r"(?:engaging|captivating|compelling|memorable|relatable|interesting|entertaining|enjoyable|appealing|effective"
    r"|satisfying|mesmeri[sz]ing|fascinating|informative|educational|inspiring|uplifting|heart-?warming|touching"
    r"|impressive|striking|stunning|breathtaking|remarkable|evocative|immersive|poignant|charming|delightful|coherent"
    r"|well[- ](?:made|shot|composed|edited|executed|produced|crafted|done|paced|balanced|framed|organi[sz]ed"
    r"|structured|choreographed|captured|documented)|professional|polished|cohesive|self-explanatory"
    r"|straightforward|amateur(?:ish)?|high[- ]quality|thought-provoking|emotive|authentic|soothing|humorous|comedic"
    r"|suspenseful|thrilling|exciting|intriguing|dynamic|powerful|unremarkable|meditative|hypnotic)"
)
_START = rf"^\W*{SUMMING}(?:(?:and|but|yet|thus|here|in this way|as a result|in turn),? )?"
_DOES = (
    "evok convey creat add contribut enhanc exud lend giv heighten reinforc emphasiz emphasis highlight underscor"
    " radiat impart infus symboliz symbolis reflect complement amplif provid"
)
_PREDICATE = re.compile(
    r"^(?P<what>(?:\w+ )?(?:the|an?|two|three|four|several|some|many|his|her|its|their|[\w'’-]+ed"
    r"|[\w'’-]+s)\b(?: [\w'’-]+){1,11}?)"
    rf",? {_HOW}(?:(?:serves?|helps?|works?|combines?) to )?{_HOW}"
    rf"{_forms(_DOES, _PLAIN)}"
    rf" (?:to |off )?(?:an?|the|its|some)? ?(?:[\w-]+,? (?:and |of )?){{0,4}}?{GIVEN}\b{_ON}{{0,90}}?{_END}",
    re.I,
)
"""``The guitarist's presence adds to the overall mood``: what is seen, and what it is said to do."""
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|that|which|who|as|while|and then)\b|\b(?:he|she|they|it|we|you)\b",
    re.I,
)
_OF_THING = re.compile(
    rf"{_START}{_MEDIUM} {_HOW}{_forms(_BOTH, _S)} (?:the |an? |its )?(?:[\w-]+,? (?:and )?){{0,4}}?{GIVEN}(?:"
    rf" (?:and|,) {GIVEN})? (?:of|in|between)"
    r" (?=(?:an?|two|three|four|several|some|his|her|people|men|women|children|\ue000)\b|the (?:[\w'’-]+ ){4})",
    re.I,
)
"""``The video captures the beauty of``, before something that is seen."""
SENTENCES = tuple(
    re.compile(_START + pattern, re.I)
    for pattern in (
        # The interplay of the dancers conveys a sense of joy
        rf"{_ONLY}{_ABSTRACT},? {_HOW}(?:(?:seems?|appears?|serves?|works?|helps?|combines?|comes? together|aims?"
        r"|manages?"
        rf"|is (?:meant|intended|designed|likely|used)) (?:together )?to )?{_HOW}{_forms(_BOTH + ' carr', _PLAIN)}\b"
        r" (?:to |off |with )?(?:an?|the|its|both|some)? ?(?:[\w-]+,? (?:and "
        rf"|of )?){{0,5}}?{GIVEN}\b[^.;]*[.!]?\s*$",
        rf"{_ONLY}{_ABSTRACT},? {_HOW}{_forms('radiat inspir invit', _PLAIN)}\b[^.;]*\b{GIVEN}\b[^.;]*[.!]?\s*$",
        rf"{_ONLY}{_THE} {_WORDS}{_OF} ?{_HOW}{_forms(_NEVER_SEEN, _PLAIN)}\b[^.;]*[.!]?\s*$",
        rf"{_ONLY}{_THE} {_WORDS}{_OF} ?{_HOW}(?:speaks?|attests?|testif(?:y|ies)|hints?"
        r"|alludes?|points?) (?:to|of|at|toward) (?:an?|the|his|her|their|its)? ?"
        rf"(?:[\w-]+,? (?:and |of )?){{0,4}}?{GIVEN}\b[^.;]*[.!]?\s*$",
        rf"{_ONLY}{_THE} {_WORDS}{_OF} ?{_HOW}(?:lends? (?:itself|themselves) to"
        r"|makes? for|adds? up to)\b[^.;]*[.!]?\s*$",
        rf"{_ONLY}(?:the|this|that|these|his|her|their|its) {_WORDS}{_OF} ?{_HOW}(?:adds?"
        r"|lends?|brings?) (?:[\w'’]+ ){0,3}?an? (?:[\w-]+,? (?:and |yet )?){1,3}"
        r"(?:touch|element|layer|quality|dimension|air|flair|undertone)\b[^.;]*[.!]?\s*$",
        rf"{_THE} {_WORDS}(?:is|are) (?:sure|bound|certain|guaranteed|likely"
        r"|enough) to (?:bring|delight|make|captivat|charm|leave|put|evoke|remind|resonate|amuse|impress|draw|win"
        r"|melt)\w*\b[^.;]*[.!]?\s*$",
        # There is something about | Few viewers will
        rf"there(?: is|['’]s| seems to be| appears to be) (?:something|an? (?:[\w-]+ ){{0,3}}(?:{GIVEN}|quality"
        r"|air|rhythm|undercurrent|undertone))\b[^.;]*[.!]?\s*$",
        r"(?:few|many|most|any|every|some|all|no) (?:viewers?|people|of us|one|observers?|onlookers|parents|fans"
        r"|audiences?) (?:will|can|could|would|may|might|is likely|are likely)\b[^.;]*[.!]?\s*$",
        r"(?:the (?:overall |final |end |net |combined )?(?:result|effect|outcome|impression|feel)|it all"
        r"|all of it|the whole) (?:is|feels|becomes|amounts to|makes for|adds up to|comes together)\b"
        r"[^.;:]*[.!]?\s*$",
        r"[^.;,]{3,60} (?:is|are) (?:\w+ly )?(?:shown|depicted|captured|presented|documented|illustrated|recorded"
        r"|demonstrated|conveyed|rendered) (?:in|with) (?:\w+ ){0,2}(?:detail|clarity|care"
        r"|precision|full|its entirety)\b[^.;,]*[.!]?\s*$",
        rf"{_ABSTRACT},? {_HOW}(?:paints?|tells?|weaves?) (?:an?|the) (?:[\w-]+,? (?:and )?){{0,3}}(?:picture"
        r"|portrait|story|tale|tapestry) of"
        r"\b[^.;]*[.!]?\s*$",
        # The overall feel is one of calm | The joy in the room is almost palpable
        r"(?:the|its) (?:[\w-]+ ){0,2}?(?:impression|feel|feeling|mood|atmosphere|effect|tone|vibe|sense"
        r"|ambian?ce)(?: [^.;:]{0,40})? is one of\b"
        r"[^.;:]*[.!]?\s*$",
        rf"{_THE} (?:[\w'’-]+,? (?:and )?){{0,4}}?(?:{GIVEN}|love|laughter|effort|affinity|devotion|delight"
        rf"|strength|relief|happiness){_OF}"
        rf" (?:is|are) {_HOW}(?:almost |nearly |quite )?(?:palpable|tangible|audible|contagious|infectious|evident"
        r"|apparent|unmistakable|clear|undeniable)"
        r"\b[^.;:]*[.!]?\s*$",
        rf"(?:it|this|that|{_MEDIUM})(?:['’]s| is| was) {_HOW}(?:an?|the) (?:[\w-]+,? ){{0,3}}?(?:scene|moment"
        r"|video|clip|image|sight|one) (?:that|which|to)"
        r" (?:many|most|people|viewers|anyone|everyone|one|we|you|all|any\w*|savou?r|remember|behold"
        r"|enjoy)\b[^.;:]*[.!]?\s*$",
        # It is a vivid reminder of
        rf"{_ABSTRACT} ?{_HOW}(?:['’]s|is|are|was|serves? as|acts? as|stands? as|becomes?|feels? like"
        r"|functions? as|makes? for)"
        rf" {_HOW}(?:an?|the)? ?(?:[\w-]+,? (?:and |yet |but )?){{0,4}}?{_JUDGED}\b[^.;]*[.!]?\s*$",
        # The editing is well paced and engaging
        rf"(?:it|this|all of this|{_MEDIUM}|{_THE} (?:[\w'’-]+ ){{0,3}}?{_TOTAL}(?: (?:of"
        rf"|in) {_MEDIUM})?) {_HOW}(?:is|are"
        rf"|was|feels?|seems?|remains?|comes across as|appears?)(?: to be)? {_VERY}(?:[\w-]+(?:,| and|, and|,? yet"
        r"|,? but)"
        rf" {_VERY}){{0,3}}{_PRAISE}(?:(?:,| and|, and|,? yet|,? but) {_VERY}[\w-]+){{0,2}}"
        rf"(?: (?:to watch|in (?:nature|tone|feel)|overall|throughout|for [^.;]{{0,40}}))?[.!]?\s*$",
    )
)
"""Whole sentences. A statement of mood with "is" and no praise is none of them."""
_MOOD_IS = re.compile(
    r"^\W*(?:the|its) (?:overall |general )?(?:mood|atmosphere|ambian?ce|tone|vibe|feeling)(?: [^.;,]{0,40})?"
    r" (?:is|are|feels|remains|seems) (?![^.;]*\b(?:sense|feeling|impression|one) of\b)",
    re.I,
)


@lru_cache(maxsize=1024)
def is_effect(sentence: str) -> bool:
    """A sentence that says only what the scene means or does to its viewers."""
    return (
        not SEEN.search(sentence)
        and not _OF_THING.match(sentence)
        and not _MOOD_IS.match(sentence)
        and any(pattern.search(sentence) for pattern in SENTENCES)
    )


@lru_cache(maxsize=1024)
def effect_at_end(sentence: str) -> re.Match[str] | None:
    """A clause at the end of a sentence that does so; None where what it gives can be seen."""
    for pattern in TAILS:
        for hit in pattern.finditer(sentence):
            if len(sentence[: hit.start()].split()) >= 2 and not SEEN.search(hit[0]):
                return hit
    return None


def before_thing(sentence: str) -> re.Match[str] | None:
    """What a recording is said to give of something that is seen, which stays."""
    return _OF_THING.match(sentence)


def effect_of_thing(sentence: str) -> re.Match[str] | None:
    """A sentence of which its subject ``what`` is seen, and the rest is what that does to viewers."""
    hit = _PREDICATE.match(sentence)
    if hit is None or SEEN.search(sentence[hit.end("what") : hit.end()]):
        return None
    if _VERB.search(hit["what"]) or hit["what"].endswith((" and", " or", " to")):
        return None
    return hit


@lru_cache(maxsize=1024)
def effect_beside(sentence: str) -> tuple[str, str] | None:
    """A sentence without a last clause that would be talk as a sentence by itself, and that clause."""
    hit = None
    for hit in _LAST.finditer(sentence):
        clause = sentence[hit.end() :]
        subject = "It " if hit["who"] else ""
        if len(sentence[: hit.start()].split()) >= 3 and is_effect(subject + clause):
            end = clause[-1] if clause[-1:] in (".", "!") else ""
            return sentence[: hit.start()] + end, sentence[hit.start() :]
    return None


_LAST = re.compile(
    r"(?:,|;| –| —)(?: (?:and|while|as|but|so|where))?(?P<who> which| something that| all of which)? ",
    re.I,
)
