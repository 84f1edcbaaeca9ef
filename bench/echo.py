"""The least that a server with durable messages can be: FastAPI, one fsync for each message, one event stream.

It serves the routes that `bench.spine` measures, and prints its address: the reference that Yaoki is compared with.
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

SESSION = "/ai/sessions/echo"


def app_over(file: Path) -> FastAPI:
    """Messages go to the file, and then to whoever reads the stream."""
    app = FastAPI()
    frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def keep(message: dict[str, Any]) -> None:
        os.write(descriptor, json.dumps(message).encode() + b"\n")
        os.fsync(descriptor)

    async def told() -> AsyncIterator[str]:
        number = 0
        while True:
            frame = await frames.get()
            number += 1
            yield f"id: {number}\ndata: {json.dumps(frame)}\n\n"

    @app.post("/ai/sessions", status_code=201)
    async def create(_wanted: dict[str, Any]) -> dict[str, str]:
        return {"session_id": "echo"}

    @app.post(f"{SESSION}/messages", status_code=202)
    async def take(message: dict[str, Any]) -> dict[str, str]:
        await asyncio.to_thread(keep, message)
        for kind in ("RUN_STARTED", "RUN_FINISHED"):
            frames.put_nowait({"type": kind, "runId": "echo"})
        return {"turn_id": "echo"}

    @app.get(f"{SESSION}/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(told(), media_type="text/event-stream")

    return app


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(app_over(Path(sys.argv[1])), lifespan="off", log_config=None, access_log=False)
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
