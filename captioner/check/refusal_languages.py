"""Refusals in other languages than English: who declines, in its own first person, or asks for the video."""

from __future__ import annotations

import re

from captioner.check.language import unquoted
from captioner.check.talk_languages import narrow, sentences_of

LEAST_LETTERS = {"zh": 10, "ja": 12, "ko": 12}
"""Letters that must be left of a caption without its sentences about what the model cannot make out."""
LEAST_WORDS = 6
"""Words, in languages that part them by spaces."""

_REFUSALS: dict[str, str] = {
    "zh": (
        r"(?:^|[.!?\n])\W*(?:(?:非常|很|十分|实在)?(?:抱歉|对不起|遗憾|不好意思)|作为(?:一个|一名|一款)?(?:AI"
        r"|人工智能|大?语言模型"
        r"|文本|虚拟助手))[,.!:的]?|我(?:们)?(?:目前|暂时|现在|也|并|还|本身)?(?:无法|不能|没办法|没有(?:能力"
        r"|权限|办法)|不具备|看不到|不会|拒绝"
        r"|不便)|请(?:您|你)?(?:先)?(?:重新)?(?:提供|上传|分享|发送)|没有(?:收到|看到|找到"
        r"|检测到)(?:任何)?(?:视频|图片|附件)"
        r"|(?:^|[.!?\n])\W*无法(?:查看|观看|访问|描述|提供|处理|打开|分析|播放|加载|满足|完成)(?:此|该|这|您|相关"
        r"|本)?[^.]{0,8}(?:视频|内容|请求"
        r"|图像|图片|文件|描述)"
    ),
    "ja": (
        r"(?:^|[.!?\n])\W*(?:大変|誠に)?(?:申し訳(?:ありません|ございません|ないの?です)|すみません|ごめんなさい"
        r"|残念ながら|恐れ入りますが"
        r"|恐縮ですが)|(?:私|わたし|AI)(?:は|として|には|の)?[^.]{0,50}(?:でき(?:ません|ない|かね)|ありません"
        r"|いたしかね|お断り)"
        r"|(?:動画|映像|画像|ビデオ|内容|リクエスト)[^.,]{0,16}(?:を|に|は)[^.]{0,24}(?:することができません"
        r"|することはできません|できません|できかねます"
        r"|お答えできません)|(?:動画|画像|ファイル)(?:が|は)(?:添付|アップロード|提供)されて(?:い)?(?:ません"
        r"|ないよう)|(?:アップロード|提供|添付|共有|送信)して"
        r"(?:ください|いただけ)"
    ),
    "ko": (
        r"(?:^|[.!?\n])\W*(?:죄송(?:합니다|하지만|해요)|미안(?:합니다|하지만)|안타깝게도|유감스럽게도)|(?:저는"
        r"|제가|AI로서|AI 모델로서|언어 모델로서)"
        r"[^.]{0,60}(?:없습니다|못합니다|않습니다|어렵습니다)|(?:영상|동영상|비디오|이미지|요청"
        r"|내용)[^.]{0,24}(?:설명|묘사|시청|확인|처리|볼|도와드릴)"
        r"[^.]{0,12}(?:수 없습니다|없습니다)|(?:업로드|제공|첨부|공유)해 ?(?:주세요|주시|주십시오)"
    ),
    "fr": (
        r"(?:^|[.!?\n])\W*(?:(?:je suis |nous sommes )?(?:vraiment |sincèrement )?(?:désolée?|navrée?)"
        r"|je m['’]excuse|toutes mes excuses"
        r"|malheureusement|en tant qu['’](?:ia|intelligence|assistant|un modèle|modèle))\b|\bje (?:ne"
        r"|n['’])\s?[^.!?\n]{0,50}\b(?:pas|puis|peux"
        r"|aucun)|\bje suis (?:incapable|dans l['’]incapacité)|\bil m['’]est impossible|\b(?:veuillez|merci de"
        r"|pourriez-vous|pouvez-vous)"
        r"[^.!?\n]{0,24}\b(?:fournir|partager|télécharger|envoyer|joindre|décrire|réessayer)|\baucune (?:vidéo"
        r"|image) (?:n['’]|jointe|fournie)"
    ),
    "es": (
        r"(?:^|[.!?\n])\W*(?:lo (?:siento|lamento)|disculp[ae]|perdón|lamentablemente|desafortunadamente|lamento"
        r"|como (?:modelo|ia|una ia"
        r"|inteligencia|asistente|un modelo))\b|(?:^|[.!?\n,;])\W*(?:yo )?no (?:puedo|tengo (?:la )?(?:capacidad"
        r"|acceso)|soy capaz|me es posible"
        r"|estoy (?:autorizado|capacitado)|veo ning|he recibido)|\bno puedo (?:ver|ayudar|describir|procesar"
        r"|acceder|proporcionar|ofrecer"
        r"|identificar|generar|analizar|confirmar|leer|distinguir)|\b(?:por favor|podrías"
        r"|puedes)[^.!?\n]{0,24}\b(?:proporcion|compart|sub|envía"
        r"|adjunt|describ|intent)\w*|\bno se (?:ha|adjuntó|proporcionó)[^.!?\n]{0,20}(?:video|vídeo|imagen)"
    ),
    "it": (
        r"(?:^|[.!?\n])\W*(?:mi (?:dispiace|scuso)|spiacente|purtroppo|sono spiacente|come (?:modello|ia"
        r"|assistente|intelligenza|un modello))\b"
        r"|\bnon (?:posso|sono in grado|riesco|mi è possibile|ho (?:la capacità|accesso|ricevuto)|vedo alcun)"
        r"|\b(?:per favore|ti prego"
        r"|si prega di|potresti|puoi)[^.!?\n]{0,24}\b(?:forni|condivid|caric|invi|alleg|descriv|riprov)\w*"
        r"|\bnon è stat[oa] (?:allegat|fornit|caricat)"
    ),
    "pt": (
        r"(?:^|[.!?\n])\W*(?:desculpe|sinto muito|lamento|peço desculpas?|infelizmente|lamentavelmente"
        r"|como (?:modelo|uma? ia|inteligência"
        r"|assistente|um modelo))\b|(?:^|[.!?\n,;])\W*(?:eu )?não (?:posso|consigo|tenho (?:acesso|capacidade)"
        r"|sou capaz|estou (?:autorizado"
        r"|apto)|vejo nenhum|recebi)|\bnão (?:posso|consigo) (?:ver|ajudar|descrever|processar|acessar|fornecer"
        r"|identificar|gerar|analisar|ler"
        r"|confirmar)|\b(?:por favor|poderia|pode)[^.!?\n]{0,24}\b(?:forneç|compartilh|envi|anex|carreg|descrev"
        r"|tent)\w*"
    ),
    "de": (
        r"(?:^|[.!?\n])\W*(?:es tut mir (?:sehr |wirklich )?leid|tut mir leid|entschuldig(?:ung|en sie|e)"
        r"|leider (?:kann|bin|habe|ist|wurde"
        r"|darf)|ich bedau[e]?re|als (?:KI|künstliche|Sprachmodell|(?:großes )?KI-|ein Sprach))|\bich (?:kann|bin"
        r"|darf|habe|möchte|werde|sehe)\b"
        r"[^.!?\n]{0,60}\b(?:nicht|kein\w*|außerstande)\b|\bkann ich\b[^.!?\n]{0,60}\b(?:nicht|kein\w*)\b"
        r"|\bbitte\b[^.!?\n]{0,40}\b(?:stellen|laden"
        r"|lade|teilen|senden|schicken|beschreiben|hochladen|versuchen)|\bes wurde[n]? kein"
    ),
    "ru": (
        r"(?:^|[.!?\n])\W*(?:к сожалению|извините|простите|прошу прощения|приношу извинения|сожалею|как (?:ии"
        r"|языковая модель|искусственный"
        r"|нейросеть|модель))|\bя (?:не|пока не|всего лишь|лишь|только)\s|\bне могу (?:помочь|описать|просмотреть"
        r"|посмотреть|увидеть|предоставить"
        r"|обработать|открыть|определить|выполнить|прочитать|назвать)|\b(?:пожалуйста"
        r"|прошу)[^.!?\n]{0,24}\b(?:предоставьте|загрузите|пришлите|поделитесь"
        r"|отправьте|опишите|попробуйте)|\bвидео не (?:было )?(?:прикреплено|загружено|приложено)"
    ),
}  # fmt: skip
_PATTERNS = {language: re.compile(pattern, re.I | re.M) for language, pattern in _REFUSALS.items()}
_TASK = re.compile(
    r"视频|影片|图像|图片|请求|描述|帮助|提供|上传|動画|映像|ビデオ|画像|リクエスト|説明|영상|동영상|비디오"
    r"|이미지|요청|설명|도와"
    r"|\b(?:vidéo|clip|images?|contenu|demande|aider|décrire|description|légende|v[ií]deo|clip|im[aá]gen(?:es)?"
    r"|contenido|solicitud|ayudar"
    r"|describir|descripción|immagin[ei]|contenuto|richiesta|aiutar\w*|descriv\w+|descrizione|imagens|conteúdo"
    r"|solicitação|pedido|ajudar|descrever"
    r"|descrição|bild(?:er)?|inhalte?|anfrage|helfen|beschreib\w+|видео\w*|ролик\w*|изображени\w+|контент\w*"
    r"|запрос\w*|помочь|описа\w+)\b",
    re.I,
)
"""What the model was asked to do: to decline that is to decline."""


def refuses_in(text: str, language: str) -> bool:
    """The model declines in ``language``; what a sign or a person says in quotes is no refusal."""
    return _refuses(unquoted(text), language) and without_limits_in(text, language) is None


def without_limits_in(text: str, language: str) -> str | None:
    """A caption without its sentences about what the model cannot make out; None where it has none, or nothing else.

    What declines to watch or to describe is a refusal, whatever else is said.
    """
    parts = sentences_of(text)
    limits = [part for part in parts[::2] if _refuses(unquoted(part), language)]
    if not limits or any(_TASK.search(part) for part in limits):
        return None
    kept = [
        part if i % 2 else "" if part in limits else part for i, part in enumerate(parts)
    ]  # gaps stay
    left = "".join(kept).strip()
    least = LEAST_LETTERS.get(language[:2].lower())
    long = len(re.findall(r"\w", left)) >= least if least else len(left.split()) >= LEAST_WORDS
    return left if long else None


def _refuses(text: str, language: str) -> bool:
    pattern = _PATTERNS.get(language[:2].lower())
    return pattern is not None and bool(pattern.search(narrow(text)))
