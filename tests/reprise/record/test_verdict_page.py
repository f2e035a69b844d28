"""The page of a verdict shows all that the verdict says, escaped, and is the same every time."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from reprise.record.verdict import Cause, Difference, Judgement, Verdict
from reprise.record.verdict_page import ComparedRun, VerdictPage

RUN, REPLAY = "3f0f2f1c" + "0" * 24, "a1b2c3d4" + "1" * 24
GOOD = Judgement(verdict=Verdict.IDENTICAL, compared=3, basis="3 metrics, environment from lock")
BAD = Judgement(
    verdict=Verdict.DIFFERENT,
    compared=4,
    differences=(
        Difference(kind="metric", name="accuracy", recorded=0.95, found=0.94),
        Difference(kind="model", name="fitted arrays", recorded="ab" * 32, found=None),
    ),
    causes=(Cause(kind="package", name="numpy", recorded="2.4.6", found="2.4.7"),),
    basis="4 metrics",
    unknown=("data",),
    not_compared=("what came from the network",),
)
LOST = Judgement(verdict=Verdict.NOT_REPLAYABLE, reason="the replay made no such run")
PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-old <b>\n+new &\n"
PAGE = VerdictPage(
    "fit depth=5",
    RUN,
    REPLAY,
    "different",
    BAD,
    asked=[("replay", "exact"), ("code from", "this clone")],
    command=f"reprise reproduce {RUN}",
    children=[
        ComparedRun("child one", "1" * 32, "2" * 32, "identical", GOOD),
        ComparedRun("child two", "3" * 32, None, "not replayable", LOST),
    ],
    patch_title="Uncommitted edits of the original run",
    patch=PATCH,
)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><link rel=stylesheet href=//evil.example>",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31m\u202e\x00",
]


class Read(HTMLParser):
    """What a browser would read: tags with their attributes, and the text between them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    "what",
    [
        *("Verdict: different", "5 of 7 metrics and digests are equal", RUN, REPLAY),
        *("code from", "this clone", "package: numpy", "2.4.6", "2.4.7"),
        *("metric accuracy", "0.95", "0.94", "-0.01", "model fitted arrays", "abababababababab…"),
        *("absent", "4 metrics", "data", "what came from the network", "child one", "identical"),
        *("child two", "not replayable", "the replay made no such run", "Uncommitted edits"),
        *("-old <b>", "+new &", f"reprise reproduce {RUN}"),
    ],
)
def test_the_page_has_what_the_verdict_says(what):
    assert what in Read(PAGE.to_html()).text


def test_what_was_run_with_changes_has_no_verdict():
    text = Read(replace(PAGE, is_exact=False).to_html()).text

    assert "2 of 7 changed" in text
    assert "Verdict: " not in text


def test_a_change_without_a_replay_says_so():
    page = replace(PAGE, is_exact=False, judgement=LOST, verdict="not replayable", children=[])

    assert "Verdict: not replayable" in Read(page.to_html()).text


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_is_text(text):
    judgement = Judgement(
        verdict=Verdict.DIFFERENT,
        compared=1,
        differences=(Difference(kind="metric", name=text, recorded=text, found=text),),
        causes=(Cause(kind="package", name=text, recorded=text, found=text),),
        unknown=(text,),
        reason=text,
        basis=text,
        not_compared=(text,),
    )
    child = ComparedRun(text, text, text, "identical", judgement)
    page = VerdictPage(
        text, text, text, "different", judgement, asked=[(text, text)], command=text,
        children=[child], patch_title=text, patch=PATCH.replace("new", text), missing=[text],
    )  # fmt: skip

    html = page.to_html()

    read = Read(html)
    assert not {"script", "img", "link", "iframe"} & set(read.tags)
    assert not any(name.startswith("on") for name in read.attributes)
    assert not re.search("[\x00\x1b\u202e]", html)
    assert "49" not in read.text


def test_it_needs_nothing_from_elsewhere_and_allows_no_script():
    html = PAGE.to_html()

    assert "default-src 'none'" in html
    assert not {"script", "link", "img", "iframe", "object"} & set(Read(html).tags)
    assert not {"src", "href"} & set(Read(html).attributes)


def test_it_is_the_same_every_time():
    assert PAGE.to_html() == PAGE.to_html()


def test_many_differences_are_cut_with_their_number():
    many = tuple(
        Difference(kind="metric", name=f"m{n}", recorded=0.0, found=1.0) for n in range(700)
    )
    judgement = BAD.model_copy(update={"differences": many, "compared": 700})

    text = Read(replace(PAGE, judgement=judgement).to_html()).text

    assert "200 more are in verdict.json." in text
    assert "m699" not in text


def test_headings_go_down_one_level_at_a_time():
    levels = [int(tag[1]) for tag in Read(PAGE.to_html()).tags if re.fullmatch(r"h\d", tag)]

    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
