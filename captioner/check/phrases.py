"""Parts of the phrases with which models talk about a video instead of describing it; pieces of regular expressions."""

ADJECTIVES = r"(?:(?!(?:is|are|was|of|in|on|with)\b)[\w-]+,? ){0,3}?"
MEDIUM = (
    r"(?:video|clip|footage|images?|pictures?|photo(?:graph)?s?|frames?|scenes?|sequences?|series|shots?"
    r"|stills?|film|"
    r"animation|recording|visuals?|gif|snippet|screenshots?)"
)
OF = (
    r"(?: clip| sequence| footage"
    r"| (?:of|from) (?:[\w-]+ ){0,2}?(?:frames|images|pictures|shots|stills|photos|video))?"
)
GIVEN = r"(?: (?:provided|given|above|below|shown|itself|you (?:sent|shared|provided)))?"
