"""Whole sentences that are no part of a caption: talk to whoever asked, what is not there, what cannot be known."""

from __future__ import annotations

import re

from captioner.check.talk import BARE, FEELING, SCOPE, STILLS, SURE

_CHATTER = (
    r"(?:please,? )?let me know\b|(?:i )?hope (?:this|that) (?:helps|description|is|meets|caption)\b"
    r"|(?:please )?feel free to\b|would you like (?:me|a|another|to)\b|do you (?:want|need) (?:me|more|any)\b"
    r"|if (?:you(?:['’]d|['’]ll| would| want| need| have|['’]re)|there(?:['’]s| is))\b[^.]{0,90}\b(?:let me|i can"
    r"|i['’]ll"
    r"|ask|feel free|know|happy to|provide|share)\b"
    r"|(?:please )?(?:note|keep in mind|be aware) that (?:this|the|my|i|since|as|these|some|without)\b"
    r"|\(?(?:please )?(?:note|disclaimer|caveat)s?: |(?:i|we) (?:should|must|want to|would like to|have to) (?:also )?"
    r"(?:note|mention|point out|add|clarify|emphasi[sz]e)\b"
    r"|(?:this|the|my|the above) (?:description|summary|analysis|caption) (?:is (?:based|limited|meant|intended)|covers"
    r"|captures|provides|aims|reflects|should|does|adheres|follows|focuses|highlights|assumes)\b"
    r"|(?:this|my) caption (?:is|covers|captures|provides|aims|follows)\b|is there anything\b|(?:i['’]m |i am"
    r" )?happy to"
    r" (?:help|provide|refine|adjust|expand)\b|the above (?:is|describes|summari[sz]es)\b|thank you for (?:sharing|the)"
    r"|let['’]s (?:break|take a (?:closer )?look|analy[sz]e|describe|dive)\b|to (?:provide|give) a more"
    r" (?:accurate|detailed"
    r"|specific)\b|(?:more|additional|further) (?:context|information|details?|frames) (?:would|is|are|may|might"
    r"|could) be"
    r" (?:needed|required|helpful|necessary)\b|(?:could|can) you (?:please )?(?:provide|share|tell)\b"
)
_FOUND_OUT = (
    r"(?:determin\w*|ascertain\w*|identif\w+|verif\w+|confirm\w*|specif\w+|conclude\w*|infer\w*|establish\w*"
    r"|pinpoint\w*|assess\w*)"
)
_EXACT = (
    r"\b(?:exact|exactly|specific|specifically|precise|precisely|location|identit\w+|context|purpose|nature|event"
    r"|occasion|relationship|reason|brand|model|breed|species|frames?|images?|video|footage|clip|saying|said|who)\b"
)
_LIMITS = (
    rf"(?:without (?:any )?(?:additional |more |further |other |proper |audio |sound )*(?:context|information"
    rf"|details|frames"
    rf"|footage|audio)\b(?=[^.;]*\b(?:impossible|cannot|can['’]t|difficult|hard|unclear|uncertain|not|ambiguous"
    rf"|unknown)\b)|(?:it(?:['’]s| is| remains)|it (?:cannot|can['’]t) be)[^.;,]{{0,24}}\b(?:not (?:possible|clear)"
    rf"|impossible|difficult|hard|unclear|challenging|uncertain|not (?:immediately |entirely )?(?:clear|evident"
    rf"|apparent))\b"
    rf"(?: (?:to {_FOUND_OUT}|(?<=clear )(?:whether|what|who|why)\b|(?:to (?:tell|say|know|discern|see|make out)"
    rf"|what|who|whether|where|why|if|from)\b"
    rf"(?=[^.;]*{_EXACT})))|(?=[^.;]*{_EXACT})[^.;]{{0,80}}\b(?:(?:cannot|can['’]t|could not|can not) be"
    rf" (?:{_FOUND_OUT}|known|discerned|seen clearly)|(?:is|are|remains?) (?:hard|difficult|impossible|unclear"
    rf"|challenging|unknown"
    rf"|uncertain|ambiguous)(?: to (?:{_FOUND_OUT}|tell|know|say|make out|discern)|(?=[.,;]|$))|(?:is|are) (?:not"
    rf"|un)\s?(?:clear|specified|known|provided|stated"
    rf"|identifiable|discernible|mentioned|identified|determined|disclosed)\b(?! (?:cut|blue|sky|water|glass)))"
    rf"|(?:the )?(?:lack|absence) of (?:additional |audio |further )?(?:context|audio|information)\b)"
)
_DESCRIBED = (
    r"(?:other|additional|visible|discernible|legible|readable|noticeable|notable|significant|apparent|obvious|further"
    r"|identifiable|recogni[sz]able|prominent|on-screen|overlaid|specific|distinct|clear|major)"
)
_SEEN = r"(?:visible|present|seen|shown|discernible|apparent|observed|noted|displayed|depicted|legible|detected)"
_MARKS = r"(?:texts?|captions?|subtitles?|logos?|watermarks?|writing|dialogue|audio|sounds?|lettering|words|letters)"
_HERE = r"(?: (?:in|on|within|throughout|at|across) [^.;:]{0,40})?"
_ABSENCE = (
    rf"(?!.*\b(?:camera|cuts?|edits?|zoom\w*|pan(?:s|ning)?|motion|movements?|transitions?|one|colou?rs?|except"
    rf"|but|save"
    rf"|only|light\w*|shadows?)\b)(?:(?:there (?:is|are|appears? to be|seems? to be) no|no) (?:"
    rf"{_DESCRIBED}\b[^.;:]{{1,90}}|[^.;:]{{0,60}}?{_MARKS}\b(?: (?:or|and) \w+)?(?: (?:is|are))?(?: {_SEEN})?{_HERE}"
    rf"|[^.;:]{{1,60}}? (?:(?:is|are) )?{_SEEN}{_HERE})"
    rf"|(?:{BARE}|the scene|it) (?:does not|doesn['’]t|do not|don['’]t) (?:contain|include|show|feature|have|display"
    rf"|depict|provide|reveal)\b[^.;:]{{1,90}}"
    rf"|(?:{BARE}|the scene|it) (?:contains?|has|have|shows?|features?|includes?|displays?) no [^.;:]{{1,90}})\.?\s*$"
)
_PROVENANCE = (
    rf"{BARE} (?:(?:is|are|appears? to be|seems? to be|looks? like|were|was|come|comes) )(?:(?:all|a|an|part of|the) )*"
    rf"(?:[\w-]+ )?(?:{STILLS} )?(?:(?:taken|extracted|captured|drawn|sampled) )?(?:from|of|in) (?:a|the|this|one|some)"
    rf" (?:[\w-]+ )?(?:video|clip|recording|footage|film|sequence)(?: clip| sequence)?(?:,? (?:taken|captured"
    rf"|shown|each)"
    rf"[^.]{{0,50}})?[.:]?\s*$"
)
_LENGTH = (
    rf"(?:{BARE}|it|the (?:duration|length)(?: of {BARE})?) (?:lasts|runs|is|has|spans)(?: for)?(?: an? (?:total )?"
    rf"(?:duration|length|running time|runtime) of)?(?: (?:about|approximately|around|roughly|only|just))*"
    rf" [\w.-]+[ -](?:seconds?|minutes?)(?: long| in (?:length|duration)| of footage)?\.?\s*$"
)
_USE = (
    rf"{BARE} (?:would|could|might|may|can) (?:be (?:used|useful|part|of interest|suitable|seen as|interpreted)"
    rf"|appeal|serve"
    rf"|interest)\b|{BARE} is (?:suitable|perfect|ideal|great|useful) for\b"
    rf"|(?:the )?(?:overall )?(?:video|image|picture|visual|footage)?(?:['’]s)? ?(?:quality|resolution)(?: of"
    rf" {BARE})? is (?:very |quite )?(?:high|good|excellent|clear|decent|standard|consistent)\b[^.;]{{0,30}}\.?$"
    rf"|{BARE} is (?:of )?(?:very |overall )?(?:high|good|excellent|decent|standard)(?:[- ]quality|"
    rf" resolution)[^.,]{{0,30}}\.?$"
)
_OPINION = (
    rf"(?:(?:overall|in summary|in conclusion|together|altogether|all in all),? )?(?:{BARE}|(?:the|this) (?:overall )?"
    r"(?:scene|composition|atmosphere|setting|mood|effect|moment)(?: of (?:the|this) \w+)?|it|this|all of this)"
    r" (?:conveys?|creates?|evokes?|captures?|exudes?|gives?(?: off)?|radiates?|suggests?|portrays?|reflects?|has"
    r"|is one of"
    r"|depicts?|presents?|showcases?)(?: (?:an?|the))?"
    rf"(?: [\w-]+,?(?: and)?){{0,3}}? (?:sense|feeling|impression|air|spirit|essence|aura) of {FEELING}{SCOPE}\.?\s*$"
)
WHOLE = tuple(
    re.compile(rf"^\W*(?:{pattern})", re.I)
    for pattern in (_CHATTER, _PROVENANCE, _LENGTH, _USE, _OPINION, _ABSENCE)
)
UNKNOWN = re.compile(rf"^\W*(?:(?:however|unfortunately|additionally|also),? )?(?:{_LIMITS})", re.I)
"""What nobody can tell from the pictures."""
_VAGUE = re.compile(
    rf"^\W*(?:(?:overall|additionally|also|in general),? )?(?:{BARE}|{SURE}|the (?:entire|overall) (?:video|clip"
    rf"|sequence|footage))(?:"
    rf" (?:itself|overall|also))?"
    r" (?:(?:is|are|was|were|has been|seems?(?: to be)?|appears?(?: to be)?|feels?|remains?) (?:(?:very|quite"
    r"|rather|mostly"
    r"|generally|simply|overall|also|both|well|clearly) )*(?:(?:presented|arranged|organi[sz]ed|structured"
    r"|intended|designed"
    r"|meant|created|made|produced|composed|ordered|numbered|connected|related)\b[^.;:]{0,60}|(?!(?:of|in|on|at"
    r"|from|about|a|an"
    r"|the|set|not|shown|seen|filled|titled|called)\b)[\w-]+(?:,? (?:and |yet |but )?[\w-]+){0,2}(?: (?:in"
    r" (?:nature|tone|content"
    r"|order|sequence|general)|to watch|overall|throughout))?)|is in (?:chronological|sequential|high) [\w-]+)\.?\s*$",
    re.I,
)
"""``The video is humorous in nature``, ``the frames are arranged in chronological order``."""
LOOKS = re.compile(
    r"\b(?:slow\w*|fast\w*|sped|speed|revers\w*|loop\w*|black|white|sepia|grain\w*|blur\w*|shak\w*|handheld"
    r"|hand-held|stead\w*"
    r"|static|still|stationary|split|vertical\w*|horizontal\w*|portrait|landscape|square|wide\w*|close\w*|zoom\w*"
    r"|pan\w*|tilt\w*"
    r"|angle\w*|lens|view\w*|perspective|anima\w*|3d|2d|cgi|render\w*|drawn|monochrom\w*|colou?r\w*|tint\w*|saturat\w*"
    r"|bright\w*|dark\w*|dim\w*|light\w*|lit|contrast\w*|night|infrared|thermal|drone|aerial\w*|film\w*|shot"
    r"|vintage|retro|low|pixel\w*"
    r"|time-lapse|style\w*|stylized|stylised|underwater|tracking|continuous|edit\w*|cut|montage|warm|cool|cold"
    r"|hazy|foggy|distorted"
    r"|overexposed|underexposed|mirrored|upside|inverted|cropped|letterboxed|framed|focus\w*|centered|centred"
    r"|empty|silent\w*|cinematic"
    r"|realistic|surreal|abstract|dreamlike|noisy|compressed|muted|symmetrical|rotat\w*|frozen|moving|red|green"
    r"|blue|yellow|grey|gray)\b",
    re.I,
)
"""What a video can be said to be that is seen in it."""
STYLE_WORDS = re.compile(
    r"\b(?:cinematic|vintage|retro|noir|documentary|dream\w*|painterly|anime|cartoon\w*|surreal\w*|gothic|minimalis\w+"
    r"|monochrom\w+|colou?r\w*|light\w*|shadow\w*|film\w*|handheld|shot|angle|focus|camera|slow|blur\w*|grain\w*)\b",
    re.I,
)


def is_talk(sentence: str) -> bool:
    """A sentence that says nothing of what is seen, as a whole."""
    if any(pattern.search(sentence) for pattern in WHOLE[:3]):
        return True
    if STYLE_WORDS.search(sentence):
        return False
    return bool(UNKNOWN.search(sentence)) or any(pattern.search(sentence) for pattern in WHOLE[3:])


def is_vague(sentence: str) -> bool:
    """A sentence on the medium that says no more than that it is good, orderly or nice."""
    return bool(_VAGUE.match(sentence)) and not LOOKS.search(sentence)
