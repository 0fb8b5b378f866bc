"""Completion scripts: commands, options and choices of the grammar, in shells that are here."""

import shutil
import subprocess

import pytest
from helpers.command_line import call

from ekm3d.cli.completion import SHELLS, grammar
from ekm3d.cli.main import COMMANDS, parser


@pytest.fixture
def script(capsys):
    return lambda shell: call(capsys, "completion", shell)[1]


def test_the_grammar_holds_all_commands_with_their_options():
    found = {c.name: c for c in grammar(parser())}
    assert set(found) == set(COMMANDS)
    backend = next(o for o in found["run"].options if "--backend" in o.names)
    assert backend.takes_value and "cuda" in backend.choices
    assert not next(o for o in found["run"].options if "--force" in o.names).takes_value
    assert found["completion"].choices == tuple(SHELLS)


@pytest.mark.parametrize("words, offered", [
    (["ekm3d", "ch"], ["check"]), (["ekm3d", "run", "--back"], ["--backend"]),
    (["ekm3d", "run", "--backend", "c"], ["cpp", "cuda"]),
    (["ekm3d", "completion", "z"], ["zsh"]), (["ekm3d", "run", "si"], ["site"]),
    (["ekm3d", "new", "x", "--template", "two"], ["two-electrodes"])])
def test_bash_offers_what_fits(script, tmp_path, words, offered):
    """The function is called as bash would; `site` is a directory there."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    (tmp_path / "site").mkdir()
    quoted = " ".join(f"'{word}'" for word in words)
    code = (f"{script('bash')}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
            '_ekm3d; printf "%s\\n" "${COMPREPLY[@]}"')
    answer = subprocess.run(["bash", "-uc", code], capture_output=True, text=True, cwd=tmp_path)
    assert answer.stderr == "" and answer.stdout.split() == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_their_script(script, shell):
    """Parsed without running; the script names every command and option."""
    text = script(shell)
    for c in grammar(parser()):
        assert c.name in text
        for option in c.options:
            assert all(name.lstrip("-") in text for name in option.names)
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    assert subprocess.run([shell, "-n", "-c", text], capture_output=True).returncode == 0
