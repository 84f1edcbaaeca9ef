"""Makes docs/clients.md from what other people's clients print: `python -m tests.clients.transcripts`.

Each client asks a provider that cuts its stream: once directly, once through Yaoki with a healthy model behind it, and
once through Yaoki with nobody who could finish the answer.
"""

import asyncio
import json
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from tests.architecture.sources import ROOT
from tests.clients.environment import CLIENTS, ask, interpreter, versions
from tests.faults.harness import Stage
from tests.faults.v1 import NOTHING_KEPT
from yaoki.faults import ANSWER, Script

PAGE = ROOT / "docs" / "clients.md"
_CUT = Script(fault="cut_mid_stream", at=166)
_DOWN = Script(fault="http_500")
_HEAD = """# Other people's clients under a cut stream

Four clients as published, unchanged but for their base URL, ask a provider whose stream ends in the middle of a
sentence, after {said} of {chars} characters and without a finish reason. What each of them ends up with is below;
their code is in `tests/clients/openai_clients.py`. `python -m tests.clients.transcripts` makes this page. Earlier
answers were not kept, or the clients that do not stream would have got one, said to be that, where nobody can finish.

Versions: {versions}.

"""
_PLACES = ("the provider itself", "Yaoki, another model behind it", "Yaoki, nobody can finish it")
_TABLE = f"| client | {' | '.join(_PLACES)} |\n|---|---|---|---|\n"


async def transcripts() -> str:
    """The page."""
    python = interpreter()
    rows: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with Stage(Path(folder), _CUT, Script(), Script(), extra=NOTHING_KEPT) as stage:
            url = f"{stage.server.url}/v1"
            for client in CLIENTS:
                await stage.play(_CUT, Script(), Script())
                bare = await ask(python, client, stage.first.base_url)
                healed = await ask(python, client, url)
                await stage.play(_CUT, _DOWN, _DOWN)
                rows[client] = [bare, healed, await ask(python, client, url)]
            await stage.play(_CUT, Script(), Script())
            body = {"model": "m0", "stream": True, "messages": [{"role": "user", "content": "How many ships?"}]}
            raw = (await stage.http.post("/v1/chat/completions", json=body)).text
    return _page(rows, raw)


def _page(rows: dict[str, list[dict[str, Any]]], raw: str) -> str:
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    page = f"{_HEAD.format(said=_CUT.at, chars=len(ANSWER), versions=named)}{_TABLE}"
    page += "".join(f"| {client} | {' | '.join(map(_verdict, answers))} |\n" for client, answers in rows.items())
    page += "\n## What was printed\n"
    for client, answers in rows.items():
        page += f"\n### {client}\n"
        for place, answer in zip(_PLACES, answers, strict=True):
            page += f"\n{place[0].upper()}{place[1:]}:\n\n{_block(answer)}"
    *_, last, _done = [event for event in raw.split("\n\n") if event.startswith("data: ")]
    story = json.dumps(json.loads(last.removeprefix("data: ")), indent=2, ensure_ascii=False)
    return (
        page + f"\n## The last chunk\n\nIt tells who wrote the answer, and where:\n\n{textwrap.indent(story, '    ')}\n"
    )


def _verdict(answer: dict[str, Any]) -> str:
    if answer.get("raised") is not None:
        return "raises"
    return "whole" if answer["text"] == ANSWER else "**half, as if it were whole**"


def _block(answer: dict[str, Any]) -> str:
    lines = textwrap.wrap(answer["text"].strip(), 110) if answer["text"] else ["(no text)"]
    end = answer.get("raised") or (f"finish reason: {answer['finish']}" if answer.get("finish") else "no error")
    lines += ["", *textwrap.wrap(f"→ {' '.join(end.split())[:400]}", 110)]
    return textwrap.indent("\n".join(lines), "    ", lambda _: True).replace("    \n", "\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(transcripts()))
