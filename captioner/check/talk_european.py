"""Talk about the video in French, Spanish, Italian, Portuguese, German and Russian: parts of one grammar, by language.

Each language has a medium, words that may stand before it, verbs of showing, and its ways to say when, that there is no
sound, how it feels, and what cannot be known.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tongue:
    """Patterns of one language, as parts of regular expressions."""

    medium: str
    """A medium with what stands before it: ``cette courte vidéo``."""
    of: str
    """``de la vidéo``, after a time."""
    inside: str
    """``dans la vidéo``."""
    shows: str
    opens: str
    ends: tuple[str, str]
    """Its verb and what it becomes: ``à la fin, ``."""
    then: tuple[str, str]
    goes_on: tuple[str, str]
    """``à mesure que la vidéo avance`` and ``ensuite, ``."""
    see: str
    """``on peut voir``."""
    order: str
    """``puis``, ``d'abord``."""
    summing: str
    time: str
    """``au début``, before ``of``."""
    filmed: str
    """What a video is said to be that is seen in it, after its ``is``: ``tournée``."""
    lead: str
    label: str
    title: str
    this_is: str
    absent: str
    """How a sentence begins that says that something is not there."""
    sound: str
    unknown: str
    exact: str
    mood: str
    chatter: str
    to: str = ""
    """A preposition that goes with the object: the Spanish ``a``."""
    comma: str = ","
    """What stands after a time at the opening of a sentence."""
    gives: str = r"(?!)"
    """Verbs of giving, as they open a clause at the end of a sentence: ``créant``."""
    viewer: str = r"(?!)"
    """A viewer and what the viewer does: ``le spectateur découvre``."""
    instead: tuple[str, str] = ("", "")
    """What stands for its verbs of opening and of showing, where the object's case asks for a verb."""


def openings(t: Tongue) -> tuple[tuple[str, str], ...]:
    """Openings of sentences, and what stands for each."""
    return (
        (rf"^({t.time}) {t.of},? (?:(?:{t.see}|{t.shows}) {t.to})?", rf"\1{t.comma} "),
        (rf"^{t.goes_on[0]},?\s", t.goes_on[1]),
        (rf"^{t.summing}{t.medium} {t.ends[0]} ", t.ends[1]),
        (rf"^{t.summing}{t.medium} {t.then[0]} ", t.then[1]),
        (
            rf"^({t.order}),? (?:{t.medium} (?:{t.shows}|{t.opens})|{t.see}) {t.to}",
            rf"\1{t.comma} ",
        ),
        (rf"^{t.summing}{t.medium},? {t.opens} {t.to}", t.instead[0]),
        (rf"^{t.summing}{t.medium}(?:,[^,.;]{{3,50}},)? {t.shows} {t.to}", t.instead[1]),
        (rf"^{t.summing}{t.medium} {t.filmed}", ""),
        (rf"^{t.this_is}", ""),
        (rf"^{t.summing}{t.inside},? (?:{t.see} {t.to})?", ""),
        (rf"^{t.see} {t.to}", ""),
        (rf"^(?:{t.viewer}) {t.to}", ""),
    )


def tails(t: Tongue) -> tuple[tuple[str, str], ...]:
    """Clauses at the end of a sentence that say how it feels."""
    return ((rf",? (?:{t.gives})\b[^.;]*?\b(?:{t.mood})\b[^.;]*?(?=[.;]|$)", ""),)


def leads(t: Tongue) -> tuple[str, ...]:
    """Phrases about answering."""
    return (
        rf"^(?:{t.lead})\b[^:.!\n]{{0,70}}[:!.]\s+(?=\S)",
        rf"^{t.title}\s?:[^\n]{{0,80}}\n+(?={t.label})",
        rf"^(?:{t.label})(?: {t.of})?\s?:\s+",
    )


def sentences(t: Tongue) -> tuple[str, ...]:
    """Whole sentences that are no part of a caption."""
    return (
        rf"^(?:{t.absent})[^.;:]{{0,60}}?\b(?:{t.sound})\b[^.;:,]{{0,40}}\.?$",
        rf"^{t.summing}{t.medium}[^.;]*\b(?:{t.mood})\b[^.;]{{0,60}}\.?$",
        rf"^(?=[^.]*\b(?:{t.exact}))(?:{t.unknown})[^.;]*\.?$",
        rf"^(?:{t.chatter})[^\n]*$",
    )


_FR = (
    r"(?:vidéo|séquence|clip|extrait|images?|enregistrement|film|plan d['’]ouverture|photogrammes)"
)
_FR_THIS = r"(?:(?:cette|la|ce|le|ces|les|notre) |l['’])(?:(?:courte?|brève|même|présente) )?"
_FR_OF = rf"(?:(?:de|dans|à) (?:(?:cette|la|ce|l['’]) ?)(?:courte )?(?:{_FR}|scène)|du (?:clip|film|plan))"
FR = Tongue(
    medium=rf"{_FR_THIS}(?:{_FR}|scène)(?: (?:courte|fournie?s?))?",
    of=_FR_OF,
    inside=rf"(?:dans|sur|d['’]après|selon) {_FR_THIS}{_FR}(?: fournie?s?)?",
    shows=r"(?:(?:nous |aussi |également |semble )?(?:montre|présente|illustre|capture|met en (?:scène|avant"
          r"|lumière|vedette)"
    r"|dépeint|filme|dévoile|décrit|révèle|représente|documente|offre un aperçu de|donne à voir)(?:nt|r)?)",
    opens=r"(?:(?:commence|débute|démarre|s['’]ouvre)(?:nt)? (?:par|avec|sur))",
    ends=(r"(?:se (?:termine|conclut|clôt|finit)|s['’]achève|finit)(?:nt)? (?:par|sur|avec)", "à la fin, "),
    then=(r"(?:passe|bascule|enchaîne)(?:nt)?(?: ensuite)? (?:à|sur|vers|avec)", "ensuite, "),
    goes_on=(
        rf"(?:au fil|au cours|tout au long) {_FR_OF}|(?:au fur et à mesure que|à mesure que|pendant que|tandis que"
        rf"|alors que) {_FR_THIS}(?:{_FR}"
        rf"|scène) (?:avance|progresse|se"
        r" (?:déroule|poursuit)|continue|défile)(?:nt)?",
        "ensuite, ",
    ),
    see=r"(?:on (?:peut (?:y )?)?(?:voit|voir|observe|observer|aperçoit|apercevoir|découvre|découvrir)"
    r"|nous (?:voyons|pouvons (?:voir|observer)|observons|découvrons))",
    order=r"(?:puis|ensuite|enfin|finalement|d['’]abord|tout d['’]abord|au début|à la fin|plus tard)",
    summing=r"(?:(?:dans l['’]ensemble|globalement|en résumé|en somme|au final|en conclusion),? )?",
    time=r"(?:au (?:tout )?début|à la (?:toute )?fin|vers (?:la fin|le milieu|le début)|au milieu|dès le début"
         r"|en début|en fin)",
    filmed=r"(?:est |a été |sont )(?=(?:entièrement )?(?:tournée?s?|filmée?s?|en (?:noir|couleur|accéléré|ralenti"
           r"|vue))\b)",
    lead=r"bien sûr|voici|d['’]accord|certainement|avec plaisir|volontiers|absolument",
    label=r"(?:description|légende|résumé)",
    title=r"titre",
    this_is=rf"(?:il s['’]agit|c['’]est) d['’]une? (?:courte? |brève )?{_FR} (?:montrant|présentant|qui montre"
            rf"|dans (?:laquelle|lequel)"
    r"|où|de|d['’]) ?",
    absent=rf"(?:il n['’]y a (?:pas|aucun)|on n['’]entend|aucune?|pas de|{_FR_THIS}{_FR} (?:ne (?:contient"
           rf"|comporte|montre|présente)"
    r"|n['’]a (?:pas|aucun)|est (?:muette|silencieuse)?))",
    sound=r"sons?|audio|textes?|sous-titres?|paroles?|dialogues?|musique|sonore|voix|narration|muette|silencieuse"
          r"|bruit",
    unknown=r"(?:il (?:est (?:difficile|impossible)|n['’]est pas (?:possible|clair))|on ne (?:peut|sait) pas"
            r"|rien ne permet|impossible)",
    exact=r"(?:exact|précis|identité|lieu|vidéo|images|contexte|marque)",
    mood=r"sentiment|sensation|impression|ambiance|atmosphère|émotions?|dynamique|captivante?|engageante?|joie"
         r"|sérénité",
    gives=r"(?:tout en |en )?(?:créant|donnant|conférant|apportant|évoquant|ajoutant|suscitant|renforçant"
    r"|transmettant|dégageant|suggérant|soulignant)|ce qui (?:crée|donne|confère|ajoute|renforce|évoque|apporte)"
    r"|et (?:crée|évoque|dégage|transmet|confère)",
    viewer=r"le spectateur (?:peut (?:voir|observer|découvrir)|découvre|observe|voit|suit|aperçoit)"
    r"|les spectateurs (?:peuvent (?:voir|observer|découvrir)|découvrent|observent|voient)"
    r"|notre regard (?:est attiré|se porte)(?: par| vers| sur)",
    chatter=r"n['’]hésitez pas|si vous (?:souhaitez|voulez|avez)|veuillez noter|notez que|cette description"
            r"|j['’]espère",
)  # fmt: skip

_ES = r"(?:vídeo|video|clip|videoclip|secuencia|im[aá]gen(?:es)?|grabación|fotogramas?|fragmento)"
_ES_THIS = r"(?:el|este|la|esta|los|las|estas|estos) (?:(?:breve|corto|corta|presente) )?"
ES = Tongue(
    medium=rf"{_ES_THIS}(?:{_ES}|escena)(?: (?:corto|proporcionado))?",
    of=rf"(?:del (?:{_ES})|de (?:la|este|esta) (?:{_ES}|escena))",
    inside=rf"(?:en|según|a lo largo de|durante) {_ES_THIS}{_ES}",
    shows=r"(?:(?:nos |también |parece )?(?:muestra|presenta|captura|capta|retrata|ilustra|representa|documenta"
          r"|enfoca|describe|revela"
    r"|ofrece una vista de|se centra en)n?|mostrar|muestran)",
    opens=r"(?:(?:comienza|empieza|inicia|abre|arranca)n? (?:con|mostrando))",
    ends=(r"(?:termina|finaliza|concluye|acaba|cierra)n? con", "al final, "),
    then=(r"(?:luego |después )?(?:pasa|cambia|corta|salta)(?: luego| después)? a(?: mostrar)?", "luego, "),
    goes_on=(rf"(?:a lo largo|en el transcurso|en el curso) (?:del|de (?:la|este|esta)) {_ES}|(?:a medida que"
    rf"|conforme|mientras) (?:{_ES_THIS})(?:{_ES}|escena) (?:avanza|progresa|continúa"
             rf"|transcurre)", "luego, "),
    see=r"(?:se (?:puede (?:ver|observar|apreciar)|pueden (?:ver|observar|apreciar)|ven?|observan?|aprecian?)"
        r"|vemos|podemos (?:ver|observar)"
    r"|observamos)",
    order=r"(?:luego|después|primero|finalmente|por último|al principio|al final|a continuación|más tarde|entonces)",
    summing=r"(?:(?:en general|en resumen|en conjunto|en conclusión|en definitiva),? )?",
    time=r"(?:al (?:principio|comienzo|inicio|final)|hacia (?:el final|la mitad|el principio)|a mitad|a mediados"
         r"|en (?:el comienzo|el inicio))",
    filmed=r"(?:está |es |fue )(?=(?:grabad[oa]|filmad[oa]|rodad[oa]|en (?:blanco|cámara|color))\b)",
    lead=r"claro|por supuesto|aquí (?:tienes|está|va)|desde luego|con gusto|seguro",
    label=r"(?:descripción|subtítulo|resumen|leyenda)",
    title=r"título",
    this_is=rf"(?:se trata de|es|este es) (?:un|una) (?:breve |corto )?{_ES} (?:que muestra|donde|en (?:el"
            rf"|la) que|mostrando|de) (?:a (?=un))?",
    absent=rf"(?:no (?:se (?:escucha|oye|ve|aprecia|observa|muestra)n?|hay)|ningún|sin"
           rf"|{_ES_THIS}{_ES} no (?:tiene|contiene|incluye"
    rf"|presenta|muestra)|{_ES_THIS}{_ES} es)",
    sound=r"audio|sonidos?|textos?|subtítulos?|diálogos?|música|voz|voces|narración|mudo|silencioso|ruido",
    unknown=r"(?:no (?:es posible|está claro|se (?:puede|sabe)|queda claro)|es (?:difícil|imposible)"
            r"|resulta (?:difícil|imposible))",
    exact=r"(?:exact|precis|identidad|lugar|video|vídeo|imágenes|contexto|marca)",
    mood=r"sensación|sentimientos?|ambiente|atmósfera|emoción|emociones|dinámico|atractivo|alegría|serenidad"
         r"|impresión|tranquilidad",
    gives=r"creando|dando|aportando|transmitiendo|evocando|añadiendo|generando|reforzando|otorgando|brindando"
    r"|sugiriendo|lo que (?:crea|da|aporta|transmite|evoca|añade|genera|refuerza)|y (?:crea|transmite|evoca"
    r"|genera)",
    viewer=r"(?:el espectador|los espectadores) (?:puede[n]? (?:ver|observar|apreciar)|ve[n]?|observa[n]?"
    r"|descubre[n]?|sigue[n]?)|nuestra mirada se dirige",
    chatter=r"si (?:necesitas|deseas|quieres|tienes)|espero que|ten en cuenta|tenga en cuenta|no dudes"
            r"|esta descripción|nota:",
    to=r"(?:a (?=un|la|el|dos|los|las|tres|vari))?",
)  # fmt: skip

_IT = r"(?:video|clip|filmato|sequenza|immagin[ei]|fotogramm[ai]|ripresa|registrazione)"
_IT_THIS = r"(?:(?:il|questo|la|questa|le|queste|lo|i) |l['’]|quest['’])(?:breve |corto )?"
IT = Tongue(
    medium=rf"{_IT_THIS}(?:{_IT}|scena)",
    of=rf"(?:del|della|di questo|di questa|dell['’]) ?(?:breve )?(?:{_IT}|scena)",
    inside=rf"(?:in quest[oa] (?:breve )?|nel |nella |nelle |nei |dal |durante il ){_IT}",
    shows=r"(?:(?:ci |anche |sembra )?(?:mostra|presenta|ritrae|cattura|illustra|raffigura|documenta|riprende"
          r"|descrive|rivela|inquadra)(?:no|re)?)",
    opens=r"(?:(?:inizia|comincia|si apre|parte)(?:no)? (?:con|su|mostrando))",
    ends=(r"(?:termina|finisce|si (?:conclude|chiude))(?:no)? con", "alla fine, "),
    then=(r"(?:poi )?(?:passa|si sposta|cambia)(?: poi)? (?:a|su)(?: mostrare)?", "poi, "),
    goes_on=(rf"(?:nel corso|durante il corso) (?:del|della) {_IT}|(?:man mano che|mentre|con il proseguire del"
    rf"|via via che) {_IT_THIS}(?:{_IT}|scena) (?:procede"
             rf"|prosegue|avanza|continua)", "poi, "),
    see=r"(?:si (?:vede|vedono|può (?:vedere|osservare|notare)|possono (?:vedere|osservare)|osserva|nota)|vediamo"
        r"|possiamo vedere)",
    order=r"(?:poi|infine|inizialmente|successivamente|dopo|prima|all['’]inizio|alla fine|in seguito)",
    summing=r"(?:(?:nel complesso|in sintesi|in generale|complessivamente|in conclusione),? )?",
    time=r"(?:all['’]inizio|alla fine|verso (?:la fine|la metà|l['’]inizio)|a metà|sul finale|nella parte finale)",
    filmed=r"è (?:stato )?(?=(?:girato|filmato|ripreso|in (?:bianco|time|slow))\b)",
    lead=r"certo|certamente|ecco|va bene|volentieri|d['’]accordo|naturalmente",
    label=r"(?:descrizione|didascalia|riassunto|sintesi)",
    title=r"titolo",
    this_is=rf"(?:si tratta di|è|questo è) un(?:a|['’])? ?(?:breve )?{_IT} (?:che mostra|in cui|dove|di) ",
    absent=rf"(?:non (?:c['’]è|ci sono|si (?:sente|sentono|vede|vedono))|nessun\w*|senza"
           rf"|{_IT_THIS}{_IT} (?:non (?:contiene|ha|presenta|include"
    r"|mostra)|è privo|è))",
    sound=r"audio|suon[oi]|test[oi]|sottotitoli|dialogh?[oi]|musica|voc[ei]|narrazione|muto|silenzioso|parlato",
    unknown=r"(?:non (?:è (?:possibile|chiaro)|si (?:può|capisce|sa))|è (?:difficile|impossibile))",
    exact=r"(?:esatt|precis|identità|luogo|video|immagini|contesto|marca)",
    mood=r"senso|sensazione|atmosfera|emozion[ei]|dinamico|coinvolgente|gioia|serenità|impressione|tranquillità",
    gives=r"creando|dando|conferendo|evocando|trasmettendo|aggiungendo|donando|regalando|suggerendo|rafforzando"
    r"|il che (?:crea|dà|conferisce)|e (?:crea|trasmette|evoca)",
    viewer=r"lo spettatore (?:può (?:vedere|osservare)|vede|osserva|scopre|segue)"
    r"|gli spettatori (?:possono vedere|vedono|osservano)",
    chatter=r"se (?:hai|desideri|vuoi|avete)|spero che|nota:|si noti che|questa descrizione|fammi sapere",
)  # fmt: skip

_PT = r"(?:vídeo|video|clipe|sequência|imagem|imagens|gravação|filmagem|quadros?)"
_PT_THIS = r"(?:o|este|a|esta|as|estas|os|esse|essa) (?:(?:breve|curto|curta) )?"
PT = Tongue(
    medium=rf"{_PT_THIS}(?:{_PT}|cena)(?: (?:curto|fornecido))?",
    of=rf"(?:do|da|deste|desta|desse|das) (?:{_PT}|cena)",
    inside=rf"(?:neste|no|nesta|na|nestas|nas|nesse|nessa|durante o|de acordo com o) (?:breve |curto )?{_PT}",
    shows=r"(?:(?:nos |também |parece )?(?:mostra|apresenta|retrata|captura|ilustra|registra|documenta|exibe"
          r"|descreve|revela|foca em)(?:m|r)?)",
    opens=r"(?:(?:começa|inicia|abre)(?:-se)?m? (?:com|mostrando))",
    ends=(r"(?:termina|encerra|conclui|acaba)(?:-se)?m? com", "no final, "),
    then=(r"(?:então |depois )?(?:passa|muda|corta|transita)(?: então| depois)? para(?: mostrar)?", "depois, "),
    goes_on=(rf"(?:ao longo|no decorrer) (?:do|da) {_PT}|(?:à medida que|conforme|enquanto) {_PT_THIS}(?:{_PT}"
    r"|cena) (?:avança|progride|continua|prossegue)",
             "depois, "),
    see=r"(?:vê(?:em)?-se|vemos|podemos (?:ver|observar)|é possível (?:ver|observar)|pode-se (?:ver|observar)"
        r"|observa(?:mos|-se))",
    order=r"(?:depois|primeiro|finalmente|por fim|em seguida|então|no início|no final|mais tarde)",
    summing=r"(?:(?:no geral|em resumo|em geral|em suma|de modo geral|em conclusão),? )?",
    time=r"(?:no (?:início|começo|final|fim|meio)|ao (?:final|fim|longo)|perto do (?:final|fim)"
         r"|por volta da metade)",
    filmed=r"(?:foi |é |está )(?=(?:gravad[oa]|filmad[oa]|em (?:preto|câmera|cores))\b)",
    lead=r"claro|com certeza|aqui está|aqui vai|certamente|com prazer|segue",
    label=r"(?:descrição|legenda|resumo)",
    title=r"título",
    this_is=rf"(?:trata-se de|é|este é) (?:um|uma) (?:breve |curto )?{_PT} (?:que mostra|em que|onde|mostrando|de) ",
    absent=rf"(?:não (?:há|se (?:ouve|vê)|existe)|nenhum\w*|sem|{_PT_THIS}{_PT} (?:não (?:contém|tem|possui"
           rf"|apresenta|mostra|inclui)|é))",
    sound=r"áudio|so[mn]s?|textos?|legendas?|diálogos?|música|voz|vozes|narração|mudo|silencioso|ruído",
    unknown=r"(?:não (?:é possível|está claro|se sabe|fica claro)|é (?:difícil|impossível))",
    exact=r"(?:exat|precis|identidade|local|vídeo|imagens|contexto|marca)",
    mood=r"sensação|sentimentos?|atmosfera|emoção|emoções|dinâmico|envolvente|alegria|serenidade|impressão"
         r"|tranquilidade|clima",
    gives=r"criando|dando|transmitindo|evocando|conferindo|adicionando|trazendo|gerando|reforçando|sugerindo"
    r"|o que (?:cria|dá|confere|transmite|evoca)|e (?:cria|transmite|evoca)",
    viewer=r"o espectador (?:pode (?:ver|observar)|vê|observa|descobre|acompanha)|os espectadores (?:podem ver"
    r"|veem|observam)",
    chatter=r"se (?:você|precisar|quiser|desejar)|espero que|observe que|note que|nota:|esta descrição",
)  # fmt: skip

_DE = (
    r"(?:Video(?:clip|aufnahme|ausschnitt|s)?|Clip|Sequenz|Aufnahmen?|Bilder|Film|Ausschnitt|Filmmaterial"
    r"|Einzelbilder)"
)
_DE_THIS = (
    r"(?:das|dieses|der|dieser|die|diese|ein) (?:(?:kurze|kurzes|kurzer|gesamte|ganze|vorliegende"
    r"|bereitgestellte) )?"
)
DE = Tongue(
    medium=rf"{_DE_THIS}(?:{_DE}|Szene)",
    of=r"(?:des|dieses|der|dieser|im|in diesem) (?:kurzen )?(?:Videos?|Clips?|Films?|Szene|Sequenz|Aufnahmen?"
       r"|Ausschnitts?|Videoclips?)",
    inside=rf"(?:(?:in|auf) (?:diesem|dem|dieser|der|diesen|den)|im) (?:(?:kurzen|gesamten|vorliegenden"
           rf"|bereitgestellten) )?{_DE}",
    shows=r"(?:(?:zeigt|zeigen|präsentiert|präsentieren|dokumentiert|porträtiert|fängt|schildert|stellt"
          r"|hält)(?: (?:uns|auch|zunächst|dann|dabei"
    r"|schließlich|anschließend))?)",
    opens=r"(?:(?:beginnt|beginnen|startet|öffnet sich)(?: dabei)? mit)",
    ends=(r"(?:endet|enden|schließt|schließen)(?: schließlich)? mit", "es endet mit "),
    then=(r"(?:wechselt|schneidet|geht über|schwenkt über)(?: dann| anschließend)? (?:zu|auf|in)", "dann "),
    goes_on=(
        rf"(?:(?:während|im Laufe|im Verlauf|im weiteren Verlauf) (?:(?:{_DE_THIS})?(?:{_DE}"
        rf"|Szene) (?:fortschreitet|weitergeht|läuft|voranschreitet"
        r"|weiterläuft)|(?:des|dieses|der) (?:Videos|Clips|Films|Szene|Aufnahme)))",
        "dann ",
    ),
    see=r"(?:(?:sieht man|sehen wir|kann man|können wir|ist zu sehen, wie|erkennt man|wird gezeigt, wie)(?: auch"
        r"| zunächst)?|man sieht|wir sehen"
    r"|zu sehen (?:ist|sind))",
    order=r"(?:dann|danach|zunächst|zuerst|schließlich|anschließend|am Ende|später|zum Schluss)",
    summing=r"(?:(?:insgesamt|zusammenfassend|im Großen und Ganzen|alles in allem),? )?",
    time=r"(?:zu Beginn|am Anfang|am Ende|zum Schluss|gegen Ende|in der Mitte|zum Ende|am Schluss)",
    filmed=r"(?:ist|wurde) (?=(?:in|mit|aus) [^.,;]*(?:gedreht|aufgenommen|gefilmt|Schwarz-?[Ww]ei|Zeitlupe"
           r"|Zeitraffer))",
    lead=r"natürlich|gerne?|hier ist|hier folgt|selbstverständlich|klar|okay|sicher",
    label=r"(?:(?:Video)?[Bb]eschreibung|Bildunterschrift|Zusammenfassung|Untertitel)",
    title=r"Titel",
    this_is=rf"(?:es handelt sich um|das ist|dies ist) (?:ein|eine) (?:kurzes |kurze |kurzer )?{_DE}(?: (?:von"
            rf"|mit)|, (?:das|die|der) zeigt,?"
    r"(?: wie)?) ",
    absent=rf"(?:es (?:gibt|ist|sind) kein\w*|kein\w*|man hört|{_DE_THIS}{_DE} (?:hat|enthält|ist"
           rf"|zeigt) (?:kein\w*|ohne|stumm|tonlos))",
    sound=r"Ton|Audio|Texte?|Untertitel|Dialoge?|Musik|Stimmen?|Geräusche?|Sprache|stumm|tonlos|hören|hörbar",
    unknown=r"(?:es ist (?:nicht (?:möglich|klar|ersichtlich)|unklar|schwer|unmöglich)|(?:aus|anhand) (?:dem|den"
            r"|der|des) \w+ (?:lässt|geht|ist))",
    exact=r"(?:genau|exakt|Identität|Ort|Video|Bilder|Kontext|Marke)",
    mood=r"Gefühl|Stimmung|Atmosphäre|Eindruck|Emotionen|dynamisch|fesselnd|ansprechend|Freude|Ruhe|Wärme"
    r"|Nostalgie|Spannung|Geborgenheit|Gelassenheit|Leichtigkeit",
    comma="",
    instead=("es beginnt mit ", ""),
    gives=r"(?:und|sodass|so dass|wobei|dass) (?:man|der Zuschauer|der Betrachter)(?= )|was(?= [^.;]*(?:erzeugt"
    r"|schafft|verleiht|vermittelt|unterstreicht|verstärkt|gibt|hervorruft|weckt))|wodurch|und (?:vermittelt"
    r"|erzeugt|schafft|verleiht|verbreitet|strahlt|weckt|unterstreicht)",
    viewer=r"(?:der Zuschauer|die Zuschauer|der Betrachter) (?:sieht|sehen|kann|können|erblickt|entdeckt"
    r"|beobachtet|folgt)|unser Blick fällt auf|der Blick fällt auf",
    chatter=r"wenn (?:Sie|du)|falls (?:Sie|du)|lassen Sie|lass mich|ich hoffe|bitte beachten|hinweis:"
            r"|diese Beschreibung|beachten Sie",
)  # fmt: skip

_RU = (
    r"(?:видео(?:ролик[ае]?|запис[ьи]|клип[ае]?|фрагмент[ае]?)?|ролик[ае]?|клип[ае]?|запис[ьи]|кадр[ыа]?х?"
    r"|отрыв(?:ок|ке))"
)
_RU_THIS = r"(?:(?:это|этот|эта|данное|данный|эти|этом|данном|этих|этого|данного|коротк\w+|всё|весь) ){0,2}"
RU = Tongue(
    medium=rf"{_RU_THIS}{_RU}",
    of=r"(?:(?:этого |данного )?(?:видео(?:ролика|записи|клипа)?|ролика|клипа|записи|сцены))",
    inside=rf"(?:на|в|судя по|из) {_RU_THIS}(?:{_RU}|видеозаписи|ролику)",
    shows=r"(?:(?:нам |также )?(?:показыва(?:ет|ют)|демонстриру(?:ет|ют)|изобража(?:ет|ют)|запечатл\w+"
          r"|представля(?:ет|ют)|фиксиру(?:ет|ют)))",
    opens=r"(?:начина(?:ет|ют)ся|открыва(?:ет|ют)ся) с",
    ends=(r"(?:заканчива(?:ет|ют)ся|заверша(?:ет|ют)ся)(?: тем, что| тем, как)", "в конце "),
    then=(r"(?:затем )?(?:переходит|переключается)(?: затем)? (?:к|на)", "затем "),
    goes_on=(r"(?:по мере (?:развития|продолжения|просмотра) (?:видео\w*|ролика|сюжета)|по ходу (?:видео|ролика))",
             "затем "),
    see=r"(?:мы (?:видим|можем (?:видеть|наблюдать)|наблюдаем)|можно (?:увидеть|видеть|наблюдать)|видно,? как"
        r"|видн[аы]|показан[аоы]?|изображ[её]н[аоы]?"
    r"|запечатл[её]н[аоы]?)",
    order=r"(?:затем|потом|сначала|наконец|в начале|в конце|далее|после этого|позже)",
    summing=r"(?:(?:в целом|в общем|в итоге|таким образом|подводя итог),? )?",
    time=r"(?:в (?:самом )?начале|в (?:самом )?конце|ближе к концу|в середине|к концу)",
    filmed=r"(?=снят[оаы]?\b|начина|заканчива|заверша|открыва)",
    lead=r"конечно|вот|хорошо|разумеется|с удовольствием",
    label=r"(?:описание|подпись|резюме|краткое описание)",
    title=r"(?:название|заголовок)",
    this_is=rf"это (?:короткое |короткий )?{_RU} (?:о том, как|в котором|где|с|о) ",
    absent=rf"(?:{_RU_THIS}(?:на |в )?{_RU} (?:нет|не (?:содержит|имеет)|без|отсутству\w+)|нет|никак\w+"
           rf"|отсутству\w+|звук)",
    sound=r"звук[аио]?|аудио|текст[ао]?в?|субтитр\w+|диалог\w*|музык\w+|голос\w*|речи|отсутствует|отсутствуют",
    unknown=r"(?:невозможно|нельзя|сложно|трудно|неясно|неизвестно|не ясно)",
    exact=r"(?:точн|конкретн|личност|мест|видео|кадр|контекст|марк)",
    mood=r"ощущени\w|чувств\w|атмосфер\w|настроени\w|эмоци\w|впечатлени\w|динамичн\w+|радост\w|захватывающ\w+",
    comma="",
    instead=("начинается с ", "видно "),
    gives=r"создавая|придавая|передавая|вызывая|добавляя|подч[её]ркивая|усиливая|что (?:созда[её]т|прида[её]т"
    r"|переда[её]т|вызывает|подч[её]ркивает)|и (?:созда[её]т|переда[её]т|вызывает)",
    viewer=r"зрител[ьи] (?:видит|видят|может увидеть|наблюдает|наблюдают)",
    chatter=r"если (?:вам|вы)|надеюсь|обратите внимание|примечание|дайте знать|это описание",
)  # fmt: skip
