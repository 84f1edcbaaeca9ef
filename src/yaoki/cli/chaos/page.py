"""The chaos report as one page: no script, nothing fetched, everything that came from outside escaped."""

from html import escape
from typing import Any

from yaoki.cli.chaos.judge import Verdict
from yaoki.cli.chaos.report import Report

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1f23; --soft: #5b636d; --paper: #fbfaf7; --line: #dcd9d1; --card: #fff;
  --good: #1f7a4d; --fair: #1b6f8f; --bad: #b3261e; --open: #8a6100; --idle: #8b9098; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e6e3; --soft: #a3a9b1; --paper: #15171a; --line: #343940;
  --card: #1c1f23; --good: #5cc592; --fair: #66bfe0; --bad: #ff8a80; --open: #e2b84f; --idle: #7d838b; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 64rem; padding: 2rem 1.2rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; margin: 0 0 .3rem } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem }
p { margin: .4rem 0; max-width: 46rem } .soft, dt, th { color: var(--soft) }
code, pre { font: 13px/1.5 ui-monospace, monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; padding: .6rem .8rem;
  border: 1px solid var(--line); border-radius: 6px; background: var(--paper) }
.bar { display: flex; height: 14px; gap: 2px; margin: 1rem 0 .7rem } .bar i { display: block; border-radius: 3px;
  background: currentColor }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; padding: 0; margin: 0; list-style: none }
.legend b { color: inherit } .legend span { color: var(--soft) }
.whole { color: var(--good) } .told { color: var(--fair) } .cut, .repeated, .hung, .lost { color: var(--bad) }
.other { color: var(--open) } .not-fired { color: var(--idle) }
details { border: 1px solid var(--line); border-radius: 8px; margin: .4rem 0; background: var(--card) }
summary { cursor: pointer; padding: .55rem .8rem; display: grid; gap: .1rem 1rem;
  grid-template-columns: minmax(11rem, 1.2fr) 6rem 2fr 4rem; align-items: baseline }
summary b.verdict { font-weight: 650 } summary small { color: var(--soft) } summary .s { text-align: right }
details > div { padding: 0 .8rem .8rem } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem;
  margin: .4rem 0 } dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 40rem) { summary { grid-template-columns: 1fr auto } }
"""
_HEAD = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
)
_HOW = (
    "Each request was asked upstream once and recorded; each run got the recording, hit by one fault. What the command "
    "printed and its exit code are compared with a healthy run of the same command. White space counts for nothing; "
    "only text is judged, not tool calls."
)


def page(report: Report) -> str:
    """The page."""
    facts = report.facts
    parts = (
        _HEAD.format(title=f"Chaos report: {report.headline()}", style=_STYLE),
        f"<h1>Chaos report: {report.headline()}</h1>\n",
        f'<p class="soft">{escape(" ".join(report.sentences()))}</p>\n',
        _bar(report.counts),
        _legend(report.counts, facts["meanings"]),
        "<h2>Runs</h2>\n",
        *(_run(one) for one in facts["runs"]),
        "<h2>What was run</h2>\n",
        _facts(facts),
        f"<p class='soft'>{_HOW}</p>\n",
        "<h2>The healthy run printed</h2>\n",
        f"<pre>{escape(facts['healthy']['stdout'])}</pre>\n",
        "</body>\n</html>\n",
    )
    return "".join(parts)


def _bar(counts: dict[str, int]) -> str:
    pieces = (f'<i class="{_class(verdict)}" style="flex: {count}"></i>' for verdict, count in counts.items() if count)
    return f'<div class="bar" aria-hidden="true">{"".join(pieces)}</div>\n'


def _legend(counts: dict[str, int], meanings: dict[str, str]) -> str:
    items = (
        f'<li class="{_class(verdict)}"><b>{count} {verdict}</b> <span>{escape(meanings[verdict])}</span></li>\n'
        for verdict, count in counts.items()
        if count
    )
    return f'<ul class="legend">\n{"".join(items)}</ul>\n'


def _run(one: dict[str, Any]) -> str:
    verdict = one["verdict"]
    shown = f"{one['shown_chars']} of {one['of_chars']} characters"
    ended = "killed" if one["exit_code"] is None else str(one["exit_code"])
    rows = {
        "exit code": ended,
        "shown": shown,
        "requests": f"{one['asked']} for an answer, of which {one['fired']} hit; {one['other_requests']} others",
        "upstream": "; ".join(one["upstream_troubles"]) or "no trouble of its own",
    }
    outputs = ((name, one[name]) for name in ("stdout", "stderr") if one[name].strip())
    return (
        f"<details{' open' if verdict == Verdict.OTHER else ''}>\n<summary><span><b>{escape(one['fault'])}</b> "
        f'<small>{escape(one["row"])}</small></span><b class="verdict {_class(verdict)}">{verdict}</b>'
        f'<span>{escape(one["why"] or one["summary"])}</span><small class="s">{one["took_s"]:g} s</small></summary>\n'
        f"<div><p class='soft'>{escape(one['summary'])}</p>{_list(rows)}"
        + "".join(f"<small class='soft'>{name}</small><pre>{escape(text)}</pre>" for name, text in outputs)
        + "</div>\n</details>\n"
    )


def _facts(facts: dict[str, Any]) -> str:
    rows = {
        "command": " ".join(facts["command"]),
        "upstream": facts["upstream"],
        "base URL of the command": facts["client_base_url"] or "the proxy's own",
        "the fault hits": "every request" if facts["hits"] == "all" else f"the first {facts['hits']} of each run",
        "after": "two fifths of the answer" if facts["at_chars"] is None else f"{facts['at_chars']} characters",
        "time for a run": f"{facts['timeout_s']:g} s",
        "healthy run": f"{facts['healthy']['answers']} answers, {facts['healthy']['chars']} characters",
        "made": f"{facts['at']} by yaoki {facts['yaoki']}",
    }
    return _list(rows)


def _list(rows: dict[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in rows.items())}</dl>\n"


def _class(verdict: str) -> str:
    return verdict.replace(" ", "-")
