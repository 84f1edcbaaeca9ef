"""Asks a base URL as other people's programs do. Runs in an environment of its own, which knows nothing of Yaoki.

`python openai_clients.py CLIENT BASE_URL MODEL` prints `{"text": …, "finish": …}`, or `{"text": …, "raised": …}` with
what had come before.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

QUESTION = "How many ships?"
KEY = "sk-of-a-client"
Answer = dict[str, str | None]


class RaisedError(Exception):
    """The client raised; `text` is what it had shown before."""

    def __init__(self, text: str, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.text = text


def openai_whole(url: str, model: str) -> Answer:
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key=KEY, max_retries=0)
    done = client.chat.completions.create(model=model, messages=[{"role": "user", "content": QUESTION}])
    return {"text": done.choices[0].message.content, "finish": done.choices[0].finish_reason}


def openai_streamed(url: str, model: str) -> Answer:
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key=KEY, max_retries=0)
    text, finish = "", None
    try:
        for chunk in client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            stream_options={"include_usage": True},
        ):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    except Exception as error:
        raise RaisedError(text, error) from error
    return {"text": text, "finish": finish}


def langchain_whole(url: str, model: str) -> Answer:
    from langchain_openai import ChatOpenAI

    message = ChatOpenAI(base_url=url, api_key=KEY, model=model, max_retries=0).invoke(QUESTION)
    return {"text": str(message.content), "finish": message.response_metadata["finish_reason"]}


def langchain_streamed(url: str, model: str) -> Answer:
    from langchain_openai import ChatOpenAI

    text, finish = "", None
    try:
        for chunk in ChatOpenAI(base_url=url, api_key=KEY, model=model, max_retries=0).stream(QUESTION):
            text += str(chunk.content)
            finish = chunk.response_metadata.get("finish_reason") or finish
    except Exception as error:
        raise RaisedError(text, error) from error
    return {"text": text, "finish": finish}


def agents_whole(url: str, model: str) -> Answer:
    from agents import Runner

    return {"text": asyncio.run(Runner.run(_agent(url, model), QUESTION)).final_output, "finish": None}


def agents_streamed(url: str, model: str) -> Answer:
    from agents import Runner

    async def run() -> Answer:
        text = ""
        result = Runner.run_streamed(_agent(url, model), QUESTION)
        try:
            async for event in result.stream_events():
                if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                    text += event.data.delta
        except Exception as error:
            raise RaisedError(text, error) from error
        return {"text": text, "finish": None}

    return asyncio.run(run())


def llm_whole(url: str, model: str) -> Answer:
    return _llm(url, model, "--no-stream")


def llm_streamed(url: str, model: str) -> Answer:
    return _llm(url, model)


def _agent(url: str, model: str) -> object:
    from agents import Agent, OpenAIChatCompletionsModel, set_tracing_disabled
    from openai import AsyncOpenAI

    set_tracing_disabled(disabled=True)
    client = AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0)
    return Agent(name="a", model=OpenAIChatCompletionsModel(model=model, openai_client=client))


def _llm(url: str, model: str, *options: str) -> Answer:
    """The command line tool, told of the base URL in its own settings."""
    with tempfile.TemporaryDirectory() as folder:
        models = f"- model_id: chain\n  model_name: {model}\n  api_base: {url}\n"
        (Path(folder) / "extra-openai-models.yaml").write_text(models)
        command = [sys.executable, "-m", "llm", "-m", "chain", "--key", KEY, "--no-log", *options, QUESTION]
        surroundings = {**os.environ, "LLM_USER_PATH": folder}
        done = subprocess.run(command, capture_output=True, text=True, env=surroundings, check=False)
    if done.returncode:
        raise RaisedError(done.stdout, RuntimeError(done.stderr.strip()[-500:]))
    return {"text": done.stdout.removesuffix("\n"), "finish": None}


CLIENTS: dict[str, Callable[[str, str], Answer]] = {
    "openai": openai_whole,
    "openai-streamed": openai_streamed,
    "langchain": langchain_whole,
    "langchain-streamed": langchain_streamed,
    "agents": agents_whole,
    "agents-streamed": agents_streamed,
    "llm": llm_whole,
    "llm-streamed": llm_streamed,
}


def main() -> None:
    client, url, model = sys.argv[1:]
    try:
        answer = CLIENTS[client](url, model)
    except RaisedError as raised:
        answer = {"text": raised.text, "raised": str(raised)}
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what is looked for
        answer = {"text": "", "raised": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
