"""Help pages: every command has examples, and every example is a line that the grammar takes."""

import re
import shlex

import pytest
from helpers.command_line import call

from ekm3d.cli.help_page import HEADING
from ekm3d.cli.main import COMMANDS, parser


def examples(text):
    """Commands of the examples on a page; a remark stands behind five spaces."""
    lines = text.partition(f"\n{HEADING}\n")[2].splitlines()
    return [re.split(r" {5,}", line.strip())[0] for line in lines
            if line.startswith("  ekm3d ")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_can_be_parsed(capsys, name):
    code, text, _ = call(capsys, name, "--help")
    found = examples(text)
    assert code == 0 and found and text.startswith(f"usage: ekm3d {name}")
    assert max(map(len, text.splitlines())) <= 110
    for line in found:
        words = shlex.split(line)
        assert words[:2] == ["ekm3d", name]
        parser().parse_args(words[1:])


def test_the_first_page_lists_all_commands_with_a_line_each(capsys):
    code, text, _ = call(capsys, "--help")
    assert code == 0 and "Exit codes: 0 done" in text
    for name in COMMANDS:
        assert re.search(rf"^    {name}\s+\w+", text, re.M)


VERBS = ("begin draw leave list pair print replace run use write show make go say compare fit hold "
         "validate").split()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_one_style(name):
    """Commands and switches: an imperative; values: what they are. Small letters, no full stop.

    The line of a command in the list stands as a sentence on its page.
    """
    commands = next(a for a in parser()._actions if a.dest == "command")
    (line,) = [choice.help for choice in commands._choices_actions if choice.dest == name]
    assert line.split()[0] in VERBS and not line.endswith(".")
    page = commands.choices[name]
    assert page.description.partition("\n")[0] == f"{line[0].upper()}{line[1:]}."
    for action in page._actions:
        if action.dest == "help" or action.help is None:
            continue
        first, text = action.help.split()[0], action.help
        assert not text.endswith("."), text
        assert first[0].islower() or first.isupper() or len(text.split()) == 1, text
        if action.nargs == 0:
            assert first in VERBS, text
        else:
            assert first not in VERBS, text
