"""A program that asks a model, as the openai SDK's documentation shows it. It knows nothing of Yaoki."""

import os

from openai import OpenAI

client = OpenAI(max_retries=2)  # OPENAI_BASE_URL and OPENAI_API_KEY say whom to ask
stream = client.chat.completions.create(
    model=os.environ.get("MODEL", "scripted"),
    messages=[{"role": "user", "content": "Tell me of the ships of one night."}],
    stream=True,
)
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
