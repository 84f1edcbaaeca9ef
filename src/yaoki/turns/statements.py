"""What is said in the place of an answer, by language. An agent's own template wins over these.

In a template `{agent}` stands for the agent's name and `{wait_s}` for the seconds until asking again makes sense.
"""

from typing import Literal, get_args

Language = Literal["en", "de", "fr", "es", "it", "pt", "nl", "ja", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_NO_ANSWER: dict[Language, str] = {
    "en": (
        "I could not reach any of my models just now, so there is no answer yet. Your message is kept; please ask "
        "again in {wait_s} seconds."
    ),
    "de": (
        "Ich konnte gerade keines meiner Modelle erreichen, daher gibt es noch keine Antwort. Ihre Nachricht ist "
        "gespeichert; bitte fragen Sie in {wait_s} Sekunden noch einmal."
    ),
    "fr": (
        "Je n'ai pu joindre aucun de mes modèles à l'instant : il n'y a donc pas encore de réponse. Votre message "
        "est conservé ; veuillez redemander dans {wait_s} secondes."
    ),
    "es": (
        "Ahora mismo no he podido contactar con ninguno de mis modelos, así que aún no hay respuesta. Su mensaje "
        "está guardado; vuelva a preguntar dentro de {wait_s} segundos."
    ),
    "it": (
        "In questo momento non ho potuto raggiungere nessuno dei miei modelli, quindi non c'è ancora una risposta. "
        "Il messaggio è conservato; riprovi tra {wait_s} secondi."
    ),
    "pt": (
        "Não consegui contactar nenhum dos meus modelos agora, por isso ainda não há resposta. A sua mensagem está "
        "guardada; pergunte de novo dentro de {wait_s} segundos."
    ),
    "nl": (
        "Ik kon zojuist geen van mijn modellen bereiken, dus er is nog geen antwoord. Uw bericht is bewaard; vraag "
        "het over {wait_s} seconden opnieuw."
    ),
    "ja": (
        "現在どのモデルにも接続できないため、まだお答えできません。"
        "メッセージは保存されています。{wait_s}秒後にもう一度お試しください。"
    ),
    "zh": "目前无法连接到任何模型，因此暂时没有答案。您的消息已保存，请在{wait_s}秒后再试。",
}
_TOO_LONG: dict[Language, str] = {
    "en": "This is too long for all of my models, even without the earlier conversation. Please send less text.",
    "de": "Das ist für alle meine Modelle zu lang, auch ohne das bisherige Gespräch. Bitte senden Sie weniger Text.",
    "fr": "C'est trop long pour tous mes modèles, même sans la conversation précédente. Envoyez moins de texte.",
    "es": "Es demasiado largo para todos mis modelos, incluso sin la conversación anterior. Envíe menos texto.",
    "it": "È troppo lungo per tutti i miei modelli, anche senza la conversazione precedente. Invii meno testo.",
    "pt": "É demasiado longo para todos os meus modelos, mesmo sem a conversa anterior. Envie uma mensagem mais curta.",
    "nl": "Dit is te lang voor al mijn modellen, ook zonder het eerdere gesprek. Stuur alstublieft een korter bericht.",
    "ja": "以前の会話を除いても、すべてのモデルにとって長すぎます。もっと短いメッセージをお送りください。",
    "zh": "即使去掉之前的对话，这对所有模型来说也太长了。请发送更短的消息。",
}
_WAIT_S = 30.0
_LONGEST_WAIT_S = 600.0


def too_long(language: Language = "en") -> str:
    """The statement that no model's window holds even the newest message."""
    return _TOO_LONG[language]


def no_answer(agent: str, *, language: Language = "en", template: str = "", retry_after_s: float | None = None) -> str:
    """The statement that no model could answer.

    Args:
        agent: Its name.
        language: Of the built-in statement.
        template: The agent's own statement; empty: the built-in one.
        retry_after_s: Seconds until asking again makes sense, where that is known.

    Example:
        >>> no_answer("ships", template="{agent} is out; come back in {wait_s} s.", retry_after_s=4.2)
        'ships is out; come back in 5 s.'
    """
    wait_s = -int(-min(retry_after_s or _WAIT_S, _LONGEST_WAIT_S) // 1)
    return (template or _NO_ANSWER[language]).replace("{agent}", agent).replace("{wait_s}", str(wait_s))
