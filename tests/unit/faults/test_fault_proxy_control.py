"""The fault proxy from outside: its control port, and as a process by hand."""

import asyncio
import json
import sys

import pytest

from tests.unit.faults.raw_client import exchange, text_and_finish
from tests.unit.faults.tcp import call, service
from yaoki.faults import ANSWER, FaultProxy, Lane, Link, ScriptedProvider
from yaoki.faults.__main__ import main


async def test_it_is_told_what_to_do_from_another_process() -> None:
    async with service() as target, FaultProxy(target.address) as proxy:
        client = await call(proxy.address)
        there = await target.peer()
        status, state = await control(proxy, '{"down": {"cut_after": 4}, "times": 1}')
        assert (status, state["link"]["down"]["cut_after"], state["link"]["times"]) == (200, 4, 1)
        status, state = await control(proxy, '{"now": "cut"}')
        assert status == 200
        assert await client.hears_until_end() == (b"", "closed")
        assert (await there.hears_until_end())[1] == "closed"
        status, state = await control(proxy, '{"refuse": true}')
        assert state["fired"] == {"cut": 1, "refuse": 1}
        status, state = await control(proxy, "{}")
        assert state["link"]["refuse"] is False
        client.leaves()


@pytest.mark.parametrize(
    "body",
    [
        '{"down": {"cut": 4}}',
        '{"sideways": {}}',
        '{"down": 4}',
        '{"down": {"latency_s": "much"}}',
        '{"down": {"latency_s": true}}',
        '{"times": 0}',
        '{"refuse": 1}',
        '{"now": "melt"}',
        '{"now": ["cut"]}',
        '{"now": "cut", "refuse": true}',
    ],
)
async def test_what_no_link_has_is_refused_and_changes_nothing(body: str) -> None:
    async with service() as target, FaultProxy(target.address) as proxy:
        await proxy.play(Link(down=Lane(cut_after=3)))
        before = proxy.state()
        status, answer = await control(proxy, body)
        assert (status, list(answer)) == (400, ["error"])
        assert proxy.state() == before


async def control(proxy: FaultProxy, body: str) -> tuple[int, dict]:
    host, _, port = proxy.control_url.split("/")[2].partition(":")
    peer = await call(f"{host}:{port}")
    await peer.says(f"POST /control HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
    head = await peer.reader.readuntil(b"\r\n\r\n")
    size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    answer = json.loads(await peer.hears(size))
    peer.leaves()
    return int(head.split()[1]), answer


async def test_it_runs_by_hand() -> None:
    async with ScriptedProvider() as provider:
        target = provider.base_url.split("/")[2]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "yaoki.faults", "proxy", "--target", target, "--cut-after", "500", "--times", "1"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(20.0):
                address, control_url = [(await process.stdout.readline()).decode().strip() for _ in range(2)]
            assert control_url.endswith("/control")
            assert len((await exchange(f"http://{address}/v1")).raw) == 500
            assert text_and_finish((await exchange(f"http://{address}/v1")).body) == (ANSWER, "stop")
            process.terminate()
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize("wrong", [["--target", "5432"], ["--target", "127.0.0.1:1", "--corrupt", "2"]])
def test_by_hand_what_is_wrong_is_said_in_one_line(wrong: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["proxy", *wrong]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
