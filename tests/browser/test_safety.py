"""What a model writes is text, whatever it writes."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import BROWSER_TEST, OpenPage
from tests.faults.harness import Stage
from yaoki.faults import Script

pytestmark = BROWSER_TEST

HOSTILE = """Hello <script>window.stolen = 1</script> there.

<img src=x onerror="window.stolen = 2"> <svg onload="window.stolen = 3"><script>window.stolen = 4</script></svg>

<iframe srcdoc="<script>parent.stolen = 5</script>"></iframe> <a href="javascript:window.stolen=6">raw</a>

[run](javascript:window.stolen=7) [data](data:text/html,<script>window.stolen=8</script>) [vb](vbscript:x)

![pixel](https://tracker.invalid/p.png) ![x](javascript:window.stolen=9)

<style>body { display: none }</style> <form action="https://evil.invalid"><input name=q></form>

| a | b |
|:-:|--:|
| <b onclick="window.stolen=10">x</b> | [fine](https://example.invalid/page) |

```html"><script>window.stolen=11</script>
<script>window.stolen = 12</script>
```

<div style="position:fixed;inset:0"> [a](<javascript:window.stolen=13> "t")

&lt;script&gt;window.stolen=14&lt;/script&gt;

[x]: javascript:window.stolen=15

[x] <javascript:window.stolen=16> <math><mtext><table><mglyph><style><img src onerror="window.stolen=17">

The end.
"""

_WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => {
    window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


async def _assert_inert(page: Page) -> None:
    assert await page.evaluate("window.stolen") is None
    assert await page.evaluate("window.violations") == []
    inside = "yaoki-message :is(script, iframe, img, form, style, object, embed, input, link, [style], [onclick])"
    assert await page.locator(inside).count() == 0
    addresses = await page.locator("yaoki-message a").evaluate_all("(links) => links.map((a) => a.protocol)")
    assert set(addresses) <= {"https:", ":"}


@pytest.mark.requirement("X12")
@pytest.mark.parametrize("token_s", [0.0, 0.003], ids=["at once", "streamed"])
async def test_script_in_model_text_is_inert(stage: Stage, open_page: OpenPage, token_s: float) -> None:
    await stage.first.play(Script(answer=HOSTILE, token_s=token_s))
    chat = await open_page("about:blank")
    await chat.page.add_init_script(_WATCH)
    await chat.page.goto(stage.server.url)
    await chat.send(HOSTILE)
    await chat.ended()
    await expect(chat.answers).to_contain_text("The end.")
    await _assert_inert(chat.page)
    for link in await chat.answers.locator("a:not([href])").all():
        await link.click()
    await _assert_inert(chat.page)
    assert [message.text for message in await chat.messages()] == [HOSTILE.strip(), HOSTILE]
    await chat.page.reload()
    await chat.ended()
    await _assert_inert(chat.page)


@pytest.mark.requirement("X12")
async def test_links_leave_the_page_without_a_trace_of_it(stage: Stage, open_page: OpenPage) -> None:
    await stage.first.play(Script(answer="See [this](https://example.invalid/page)."))
    chat = await open_page()
    await chat.send("Where?")
    await chat.ended()
    link = chat.answers.get_by_role("link", name="this")
    await expect(link).to_have_attribute("target", "_blank")
    await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")


@pytest.mark.requirement("X12")
async def test_a_mark_never_changes_how_a_text_is_read(stage: Stage, open_page: OpenPage) -> None:
    text = "Look:\n\n```python\nprint('a')\nprint('b')\n```\n\n- **one** item\n- *two* items\n\n"
    text += "| a | b |\n|---|---|\n| 1 | 2 |\n"
    chat = await open_page()
    plain = None
    for at in (None, *range(4, len(text) - 2, 9)):
        fault = {} if at is None else {"fault": "cut_mid_stream", "at": at, "times": 1}
        await stage.first.play(Script(answer=text, **fault))
        await stage.providers[1].play(Script(answer=text))
        await chat.page.keyboard.press("Control+k")
        await expect(chat.answers).to_have_count(0)
        await chat.send("Show me.")
        await chat.ended()
        if at is not None:
            await expect(chat.answers.locator(".mark-button")).to_have_count(1)
        shape = await chat.answers.locator(".prose").evaluate(
            """(prose) => {
                const copy = prose.cloneNode(true);
                for (const extra of copy.querySelectorAll(".mark, .seam, .code-head")) extra.remove();
                copy.normalize();
                return copy.innerHTML.replace(/<!--.*?-->/g, "");
            }"""
        )
        plain = plain or shape
        assert shape == plain, at
