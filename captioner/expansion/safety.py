"""Judge a prompt: safe, or refused by category. A prompt is never rewritten in silence.

Wan 2.2's prompt expander swaps unsafe prompts for unrelated ones without a word, and its list also erases some harmless
ones. Here a prompt is either expanded as it is or refused by name. The list below is all there is offline: it knows
plain wording in English, no slurs, no euphemism and no other language; an LLM that expands prompts gives its own
verdict beside it. Words that are only sometimes meant so ("naked", "blood", "shooting") are no
reason by themselves; a naked person is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CATEGORIES = ("sexual_minors", "sexual", "gore", "hateful")
"""Sexual content with minors; graphic sexual content; graphic violence and gore; hate against people."""

_MINOR = (
    r"child(?:ren)?|kids?|minors?|infants?|bab(?:y|ies)|toddlers?|teen(?:age)?(?:d|r|rs|s)?|schoolgirls?|schoolboys?"
    r"|preteens?|tweens?|underage|under-age|little (?:girls?|boys?)|(?:young|small) (?:girls?|boys?)|lolitas?"
    r"|loli|shota"
    r"|(?:[1-9]|1[0-7])[- ]years?[- ]old"
)
_SEXUAL = (
    r"porn(?:o|ograph\w+)?|hentai|hard-?core sex|sex (?:scene|act|tape|toys?)|(?:having|have|has) sex"
    r"|sexual (?:act|intercourse)s?"
    r"|intercourse|blow ?jobs?|hand ?jobs?|cunnilingus|fellatio|masturbat\w+|ejaculat\w+|orgasms?|orgy|orgies"
    r"|gang ?bang"
    r"|genitals?|genitalia|vaginas?|penis(?:es)?|anal sex|oral sex|explicit(?:ly)? (?:sex\w*|nud\w+)|bdsm"
    r"|rap(?:es|ed|ing)"
    r"|fucking|erotica|x-rated|nsfw"
    r"|(?:naked|nude|topless) (?:\w+ )?(?:wom[ae]n|m[ae]n|lad(?:y|ies)|person|people|couples?|models?|bod(?:y|ies))"
    r"(?! (?:statue|sculpture|in marble))"
)
_SUGGESTIVE = (
    r"nude|nudity|naked|topless|undress(?:ed|ing)?|lingerie|seductive(?:ly)?|sexy|sexualis\w+|sexualiz\w+|erotic\w*"
    r"|sensual(?:ly)?|strip(?:s|ping)? (?:off|naked)|sexual\w*|striptease"
)
_GORE = (
    r"gore|gory(?! details)|decapitat\w+|behead\w+|dismember\w*|disembowel\w*|eviscerat\w+|mutilat\w+"
    r"|severed (?:heads?|limbs?|arms?|legs?|hands?)|entrails|(?:guts|brains|intestines) (?:spill\w*|splatter\w*"
    r"|hanging|everywhere)"
    r"|tortur(?:e|ed|ing) (?:a |the |him|her|them|people|prisoner|victim)\w*|skinned alive|burned alive|flayed"
    r"|blood[- ](?:soaked|drenched) (?:corpse|bod(?:y|ies)|victim)s?|impaled (?:body|bodies|man|woman|person|corpse)"
    r"|(?:shot|stabbed) in the (?:head|face|eye)|snuff (?:film|video)"
)
_GROUP = (
    r"jews|jewish people|muslims|christians|hindus|immigrants|refugees|black people|white people|asians"
    r"|asian people|arabs|gays"
    r"|gay people|lesbians|trans people|women|disabled people|roma|gypsies|mexicans|africans|latinos"
)
_HATE = (
    rf"(?:kill|murder|exterminate|gas|lynch|enslave|eradicate|cleanse|deport|burn)(?:s|ed|ing)? (?:all |the "
    rf"|of |these |those )*(?:{_GROUP})"
    rf"|(?:{_GROUP}) (?:are|as|depicted as|shown as|portrayed as) (?:\w+ )?(?:vermin|rats|apes|monkeys|animals"
    rf"|parasites|subhumans?|filth|cockroaches)"
    rf"|(?:hate|despise|inferior|subhuman|filthy|dirty) (?:all )?(?:{_GROUP})"
    r"|white (?:power|supremac\w+) (?:propaganda|poster|video|slogan|forever)|heil hitler|(?:nazi|isis"
    r"|kkk) (?:propaganda|recruitment)"
    r"|(?:glorif\w+|celebrat\w+|praising) (?:the )?(?:holocaust|genocide|lynching|ethnic cleansing)"
    r"|ethnic cleansing is|lynching of (?:a )?black"
)


@dataclass(frozen=True, kw_only=True)
class SafetyVerdict:
    """What was found in a prompt."""

    category: str | None
    """One of ``CATEGORIES``, or None for nothing."""
    matched: str = ""
    """The words that settled it."""

    @property
    def safe(self) -> bool:
        """Nothing was found."""
        return self.category is None


def judge_prompt(text: str) -> SafetyVerdict:
    """Verdict of the list on a prompt, the gravest category first."""
    low = " ".join(text.lower().split())

    def hit(pattern: str) -> str:
        found = re.search(rf"\b(?:{pattern})\b", low)
        return found[0] if found else ""

    minor, sexual = hit(_MINOR), hit(_SEXUAL)
    suggestive = hit(_SUGGESTIVE)
    if minor and (sexual or (suggestive and not _innocent(low))):
        return SafetyVerdict(
            category="sexual_minors", matched=f"{minor} ... {sexual or suggestive}"
        )
    for category, words in (("sexual", sexual), ("gore", hit(_GORE)), ("hateful", hit(_HATE))):
        if words:
            return SafetyVerdict(category=category, matched=words)
    return SafetyVerdict(category=None)


def _innocent(low: str) -> bool:
    """The suggestive word is about something else: eyes, trees, animals, education."""
    return bool(
        re.search(
            r"\bnaked (?:eye|trees?|branches|mole|flame|truth|bulb)|\bnude (?:lipstick|colou?red|tones?)"
            r"|\bsexual (?:education|health|selection|dimorphism|reproduction)",
            low,
        )
    )
