"""Seams: what was shown is neither repeated nor lost; what is no continuation is refused."""

import pytest

from yaoki.llm.deltas import HalfAnswer
from yaoki.llm.seams.seam import MAX_HELD, Seam, SeamRefusedError
from yaoki.llm.seams.shown import anchor_of

LONG = "The capital of France, as everybody knows, is"


def joined(shown: str, comes: str, mode: str = "prefill", **known: object) -> str:
    """What a person reads in the end; `comes` arrives in pieces of three characters."""
    half = HalfAnswer(shown, mode, bool(known.pop("calling", False)), proven=bool(known.pop("proven", True)))
    seam = Seam(shown, half, **known)
    text = "".join(seam.feed(comes[at : at + 3]) for at in range(0, len(comes), 3))
    return shown + text + seam.flush()


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize(
    "shown,comes,whole",
    [
        (LONG, " Paris.", f"{LONG} Paris."),
        (LONG, "\n\nParis.", f"{LONG}\n\nParis."),
        (LONG, ", of course, Paris.", f"{LONG}, of course, Paris."),
        ("I told you again and", " again and again.", "I told you again and again and again."),
        ("ha ha ha", " ha ha", "ha ha ha ha ha"),
        ("| 0 | 0 |", "\n| 0 | 0 |", "| 0 | 0 |\n| 0 | 0 |"),
        ("def f():\n    x = 1", "\n    x = 1\n", "def f():\n    x = 1\n    x = 1\n"),
        ("Version 3.1", " was followed by 4", "Version 3.1 was followed by 4"),
        ("It is very", " very cold", "It is very very cold"),
    ],
)
def test_a_backend_that_goes_on_is_believed(shown: str, comes: str, whole: str) -> None:
    assert joined(shown, comes, gap=comes[: len(comes) - len(comes.lstrip())] or " ") == whole


@pytest.mark.requirement("P-3")
def test_a_blank_that_the_backend_strips_is_put_back() -> None:
    assert joined("The capital is", "nice.", gap=" ") == "The capital is nice."
    assert joined("def f():", "return 1", gap="\n    ") == "def f():\n    return 1"


def test_without_white_space_between_words_nothing_is_put_in() -> None:
    assert joined("東京から", "来ました。") == "東京から来ました。"
    assert joined("ภาษา", "ไทย") == "ภาษาไทย"


def test_inside_a_run_without_an_end_the_rest_is_joined_directly() -> None:
    url = "https://example.org/a-very-long-path"
    assert joined(url, "-that-goes-on", gap="", whole=False) == f"{url}-that-goes-on"


@pytest.mark.requirement("P2", "P-3")
@pytest.mark.parametrize(
    "shown, comes",
    [
        ("See https://example.com/ships/of/one/ni", "ght for more."),
        ("See https://example.com/ships/of/one/night", " for more."),
        ("東京から来ました、港の灯りを数える人は今夜も眠らずに七隻の船を", "数えた。"),
        ("The key is 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "2b0b822cd15d6c15b0f00a08."),
    ],
)
def test_after_a_crash_in_a_run_without_an_end_nothing_is_put_into_it(shown: str, comes: str) -> None:
    assert joined(shown, comes) == shown + comes


@pytest.mark.requirement("P-2", "P-3")
@pytest.mark.parametrize("comes", ["…", "...", " …\n"])
def test_dots_are_no_continuation_where_words_were_to_come(comes: str) -> None:
    with pytest.raises(SeamRefusedError):
        joined("The first carries", comes, gap=" ", more=" elev")
    assert joined("To be continued", comes, gap="", more="…").rstrip() == f"To be continued{comes}".rstrip()
    assert joined("f(x", "){}\nreturn 1", gap="", more="){}\nret") == "f(x){}\nreturn 1"


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("mode", ["prefill", "instruction"])
def test_the_whole_answer_again_is_trimmed(mode: str) -> None:
    assert joined(LONG, f"{LONG} Paris.", mode, gap=" ") == f"{LONG} Paris."
    assert joined(LONG, f" {LONG} Paris.", mode, gap=" ") == f"{LONG} Paris."


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("mode", ["prefill", "instruction"])
@pytest.mark.parametrize("words", [1, 2, 3, 5])
def test_the_last_words_again_are_trimmed(mode: str, words: int) -> None:
    shown = "The harbour counted seven lighthouses"
    again = " ".join(shown.split()[-words:])
    assert joined(shown, f"{again} before dawn.", mode, gap=" ") == f"{shown} before dawn."


def test_an_instructed_model_may_put_quotes_around_the_last_words() -> None:
    anchor = anchor_of(LONG)
    assert joined(LONG, f'"{anchor}" Paris.', "instruction", gap=" ") == f"{LONG} Paris."
    assert joined(LONG, f"…{anchor} Paris.", "instruction", gap=" ") == f"{LONG} Paris."
    assert joined(LONG, f"> {anchor}\nParis.", "instruction", gap=" ") == f"{LONG}\nParis."


def test_a_quote_that_belongs_to_the_text_stays() -> None:
    shown = 'Then the keeper said: "Seven lighthouses'
    assert joined(shown, f'{anchor_of(shown)}" and left.', "instruction", gap=" ") == f'{shown}" and left.'
    shown = 'Fields of light: {"at": "Eddystone", "unit": "https://example.org/lights?of=night'
    assert anchor_of(shown).startswith('"')
    assert joined(shown, f'{anchor_of(shown)}"}} and', "instruction", gap="", whole=False) == f'{shown}"}} and'


def test_a_preamble_before_the_last_words_is_trimmed_with_them() -> None:
    comes = f"Sure, here is the rest of my answer:\n\n{anchor_of(LONG)} Paris."
    assert joined(LONG, comes, "instruction", gap=" ") == f"{LONG} Paris."


@pytest.mark.parametrize(
    "comes",
    [
        "Sure, here is the rest: Paris.",
        "Certainly! The capital",
        "Here is the continuation: Paris.",
        "I apologize for the interruption. Paris",
        "Natürlich! Paris.",
        "当然，以下是",
        " Sure, here is the rest: Paris.",
    ],
)
@pytest.mark.parametrize("mode", ["prefill", "instruction"])
def test_a_preamble_is_refused(comes: str, mode: str) -> None:
    with pytest.raises(SeamRefusedError):
        joined(LONG, comes, mode, gap=" ")


@pytest.mark.parametrize("mode", ["prefill", "instruction"])
def test_a_sentence_of_its_own_in_the_middle_of_another_is_refused(mode: str) -> None:
    with pytest.raises(SeamRefusedError):
        joined(LONG, "The French capital is Paris.", mode, gap=" ")
    with pytest.raises(SeamRefusedError):
        joined(LONG, "# Paris", mode, gap=" ")


def test_a_preamble_after_a_whole_sentence_is_refused_too() -> None:
    with pytest.raises(SeamRefusedError):
        joined("Paris is the capital.", "Sure, here is more: it is big.", gap=" ")


def test_a_new_sentence_after_a_whole_one_goes_on() -> None:
    assert joined("It rains.", "Nobody minds.", gap=" ") == "It rains. Nobody minds."


def test_an_instructed_model_that_goes_straight_on_is_believed_if_more_had_come() -> None:
    known = {"gap": " ", "more": " co"}
    assert joined("The weather is", "cold today.", "instruction", **known) == "The weather is cold today."
    with pytest.raises(SeamRefusedError):
        joined("The weather is", "it seems to be cut off", "instruction", **known)
    with pytest.raises(SeamRefusedError):
        joined("The weather is", "it seems to be cut off", "instruction", gap=" ")
    with pytest.raises(SeamRefusedError):
        joined("It rains.", "Nobody minds.", "instruction", gap=" ")


def test_nothing_where_there_was_more_to_say_is_refused() -> None:
    with pytest.raises(SeamRefusedError):
        joined("The capital of", "", gap=" ", more=" Fra")
    with pytest.raises(SeamRefusedError):
        joined("It rains.", "", gap=" ", more=" And")


def test_nothing_after_a_whole_sentence_is_a_whole_answer() -> None:
    assert joined("It rains.", "", gap=None) == "It rains."


def test_a_lost_tool_call_need_not_go_on_with_the_text() -> None:
    seam = Seam("Let me look.", HalfAnswer("Let me look.", "instruction", calling=True))
    assert seam.flush(calls=True) == ""


def test_a_text_instead_of_the_lost_tool_call_is_refused() -> None:
    with pytest.raises(SeamRefusedError):
        joined("Let me look.", "It is sunny.", "instruction", calling=True)


def test_a_seam_is_decided_with_the_first_innocent_token() -> None:
    seam = Seam(LONG, HalfAnswer(LONG, "prefill"), gap=" ")
    assert seam.feed(" paris") == " paris"
    assert seam.decided


def test_doubt_does_not_hold_text_back_for_ever() -> None:
    shown = "a " * 1_000 + "b"
    seam = Seam(shown, HalfAnswer(shown, "prefill"), gap=" ")
    given = sum(len(seam.feed("a ")) for _ in range(500))
    assert given > 0


def test_the_anchor_is_made_of_whole_words_from_the_end() -> None:
    assert anchor_of("short") == "short"
    assert LONG.endswith(anchor_of(LONG))
    assert len(anchor_of("word " * 100)) <= 48


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("comes", [" Paris.", "paris."])
def test_white_space_that_was_shown_is_not_shown_again(comes: str) -> None:
    assert joined(f"{LONG} ", comes) == f"{LONG} {comes.strip()}"


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("mode", ["prefill", "instruction"])
def test_a_long_answer_again_is_trimmed_and_another_one_that_begins_like_it_is_refused(mode: str) -> None:
    shown = " ".join(f"Ship number {n} passed the pier at night." for n in range(40))
    assert len(shown) > MAX_HELD
    assert joined(shown, f"{shown} And that was all.", mode, gap=" ") == f"{shown} And that was all."
    for comes in (f"{shown[:500]}, or so they say.", shown[:300]):
        with pytest.raises(SeamRefusedError):
            joined(shown, comes, mode, gap=" ")


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("mode", ["prefill", "instruction"])
@pytest.mark.parametrize("again", ["total = ships:\nSee the", "def lamps(): total = ships: See  the"])
def test_what_is_repeated_with_other_white_space_is_trimmed(mode: str, again: str) -> None:
    shown = "def lamps():\n    total = ships:\n\nSee the"
    assert joined(shown, f"{again} port.", mode, gap=" ") == f"{shown} port."


@pytest.mark.requirement("P-2", "P-3")
@pytest.mark.parametrize(
    "shown,comes,more",
    [
        ("The lamp was lit at dusk.", "Done.", " "),
        ("The lamp was lit at dusk and", "it seems that your message was cut off.", " "),
        ("| night | 90 |", "…", "\n|--"),
        ("The first carries", "...The first carries eleven crates", " "),
        ("See https://example.org/lights-of-the", "`https://example.org/lights-of-the`-coast", "-coa"),
        ("天气很好", "**Continuation:**\n\n我们去。", "，我"),
        ("na na na na", "\nna na na na na na", " n"),
        ("[\n    1,\n    2\n  ]\n}", "] }\n\n```python", " "),
        ("1. eleven ships and", "it seems that the message was cut off", " i"),
    ],
)
def test_whoever_only_is_said_to_go_on_with_a_text_has_to_show_it(shown: str, comes: str, more: str) -> None:
    gap = more[: len(more) - len(more.lstrip())]
    with pytest.raises(SeamRefusedError):
        joined(shown, comes, gap=gap, more=more, whole="/" not in shown, proven=False)


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("comes", [" at dusk.", "\n\nThe next day", ", they say,", f"{LONG} Paris."])
def test_whoever_only_is_said_to_go_on_and_does_is_believed(comes: str) -> None:
    assert joined(LONG, comes, gap=" ", proven=False) == f"{LONG}{comes.removeprefix(LONG)}"


@pytest.mark.requirement("P-2", "P-3")
@pytest.mark.parametrize("mode", ["prefill", "instruction"])
@pytest.mark.parametrize(
    "shown,comes",
    [
        ("row, row, row your boat, row, row, row", "your boat, row, row, row your boat,"),
        ("row, row, row your boat, row, row, row your", "row, row, row your boat, row, row, row your boat,"),
        ("never again and never again and", "and never again and never again and never"),
    ],
)
def test_a_refrain_that_may_go_on_with_its_own_words_is_not_guessed(mode: str, shown: str, comes: str) -> None:
    text = f"Sing it: {shown}"
    with pytest.raises(SeamRefusedError):
        joined(text, comes, mode, gap=" ")


@pytest.mark.requirement("P-2")
@pytest.mark.parametrize("blank", [" \n\u200b ", "\u200b", "\ufeff"])
def test_characters_that_take_no_room_are_no_continuation(blank: str) -> None:
    with pytest.raises(SeamRefusedError):
        joined("The first carries", blank, gap=None)


@pytest.mark.requirement("P-2", "P-3")
@pytest.mark.parametrize(
    "shown,comes,more",
    [
        ("| name | n |\n|---|---|\n|", "façade | 72 |\n\n| name | n |\n|---|---|\n| Übermut | 96 |", " faça"),
        ("The lamps were very bright, bright", "bright and yellow, bright", " bri"),
    ],
)
def test_a_bare_rest_that_says_the_same_again_later_is_not_cut_short(shown: str, comes: str, more: str) -> None:
    with pytest.raises(SeamRefusedError):
        joined(shown, comes, "instruction", gap=" ", more=more)


def test_a_row_of_a_table_that_is_quoted_whole_is_continued() -> None:
    shown = "| name | n |\n|---|---|\n| night | 80"
    assert joined(shown, f"{anchor_of(shown)} |", "instruction", gap=" ", more=" |") == f"{shown} |"


@pytest.mark.parametrize(
    "shown,rest,more",
    [
        ('{\n  "ships": 7,', '\n  "crates": 11\n}', "\n"),
        ("# Ships", "\n\nEleven of them.", "\n\n"),
        ('[{"Straße": 7, "where": "on the\nStraße', ' of the sea"}]', " "),
    ],
)
def test_an_instructed_model_that_does_as_it_is_told_is_believed(shown: str, rest: str, more: str) -> None:
    gap = more[: len(more) - len(more.lstrip())]
    assert joined(shown, f"{anchor_of(shown)}{rest}", "instruction", gap=gap, more=more) == f"{shown}{rest}"
