"""README and guide: links and pictures are there, commands are commands."""

import re
import shlex

import pytest
from helpers.case_files import ROOT

from ekm3d.cli.main import parser

PAGES = [ROOT / "README.md", *sorted((ROOT / "cases" / "guide").glob("*.md")),
         ROOT / "cases" / "computing.md", ROOT / "scripts" / "containers" / "README.md"]
PLACEHOLDERS = re.compile(r"\[|\||\.\.\.|KEY=|NAME$")       # a line of grammar, not a command


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_exist(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    lost = [target for target in targets if not target.startswith("http")
            and not (page.parent / target).exists()]
    assert lost == []


def commands(text):
    """Lines `ekm3d ...` in blocks of code; a remark stands behind four spaces."""
    for block in re.findall(r"```(?:sh|text)\n(.*?)```", text, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&| {4,}|;", line):
                found = re.match(r"(?:\$ )?(?:\S*bin/)?ekm3d (.+)", part.strip())
                if found and not PLACEHOLDERS.search(found[1]):
                    yield found[1].split(" > ")[0].strip()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_can_be_parsed(page):
    for words in commands(page.read_text(encoding="utf-8")):
        parser().parse_args(shlex.split(words))


def test_the_parser_of_commands_finds_them():
    """Else the test above would pass on any page."""
    text = "```text\nekm3d new a && ekm3d run a     remark\nekm3d study CASE -o KEY=A,B\n```\n"
    assert list(commands(text)) == ["new a", "run a"]
    assert len(list(commands(PAGES[0].read_text(encoding="utf-8")))) >= 6
