"""`ekm3d completion`: a script that completes commands, options and their values in a shell.

The script is made from the grammar of the command line, and needs no program to complete.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from ekm3d.cli.help_page import page


@dataclass(frozen=True)
class Option:
    """An option of a command: its names, the choices of its value, and its help."""

    names: tuple[str, ...]
    takes_value: bool
    choices: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class Command:
    """A command: its help, its options, and the choices of its arguments; () for paths."""

    name: str
    meaning: str
    options: tuple[Option, ...]
    choices: tuple[str, ...]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d completion`."""
    parser = commands.add_parser("completion", **page(
        "print a script that completes this command line in bash, zsh or fish",
        'ekm3d completion bash     in ~/.bashrc: eval "$(ekm3d completion bash)"',
        'ekm3d completion zsh      in ~/.zshrc, after compinit: eval "$(ekm3d completion zsh)"',
        "ekm3d completion fish     > ~/.config/fish/completions/ekm3d.fish"))
    parser.add_argument("shell", choices=list(SHELLS))


def command(args: argparse.Namespace) -> int:
    """Print the script."""
    from ekm3d.cli.main import parser
    print(SHELLS[args.shell](grammar(parser())))
    return 0


def grammar(top: argparse.ArgumentParser) -> list[Command]:
    """Return the commands of a parser that has subcommands."""
    (group,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    meanings = {a.dest: a.help or "" for a in group._choices_actions}
    return [Command(name, meanings[name], _options(parser), tuple(
        str(choice) for a in parser._actions if not a.option_strings for choice in a.choices or ()))
            for name, parser in group.choices.items()]


def _options(parser: argparse.ArgumentParser) -> tuple[Option, ...]:
    return tuple(Option(tuple(a.option_strings), a.nargs != 0, tuple(map(str, a.choices or ())),
                        (a.help or "").replace("%(default)s", str(a.default)))
                 for a in parser._actions if a.option_strings)


def bash(commands: list[Command]) -> str:
    """Return the script for bash."""
    cases, values = [], []
    for c in commands:
        words = [name for option in c.options for name in option.names] + list(c.choices)
        cases.append(f'        {c.name}) words="{" ".join(words)}" ;;')
        values += [f'        "{c.name} {name}") words="{" ".join(option.choices)}"; only=1 ;;'
                   for option in c.options for name in option.names if option.choices]
    names = " ".join(c.name for c in commands)
    return "\n".join([
        "_ekm3d() {", '    local word="${COMP_WORDS[COMP_CWORD]}" words="" only=""',
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then",
        f'        COMPREPLY=($(compgen -W "{names} --help --version" -- "$word"))',
        "        return", "    fi", '    case "${COMP_WORDS[1]}" in', *cases, "    esac",
        '    case "${COMP_WORDS[1]} ${COMP_WORDS[COMP_CWORD-1]}" in', *values, "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$word"))',
        '    if [ -z "$only" ] && [ "${word#-}" = "$word" ]; then',
        '        COMPREPLY+=($(compgen -f -- "$word"))', "    fi", "}",
        "complete -o filenames -F _ekm3d ekm3d"])


def zsh(commands: list[Command]) -> str:
    """Return the script for zsh."""
    lines = ["#compdef ekm3d", "_ekm3d() {", "    local -a commands", "    commands=("]
    lines += [f"        {_quoted(c.name + ':' + c.meaning)}" for c in commands]
    lines += ["    )", "    if (( CURRENT == 2 )); then", "        _describe command commands",
              "        return", "    fi", "    case $words[2] in"]
    for c in commands:
        lines += [f"        {c.name})", "            _arguments -s \\"]
        for option in c.options:
            value = f":value:({' '.join(option.choices)})" if option.choices else (
                ":value:_files" if option.takes_value else "")
            for name in option.names:
                meaning = option.meaning.replace("[", "(").replace("]", ")").replace(":", " ")
                lines.append(f"                {_quoted(f'*{name}[{meaning}]{value}')} \\")
        arguments = f"({' '.join(c.choices)})" if c.choices else "_files"
        lines += [f"                {_quoted(f'*:argument:{arguments}')} ;;"]
    return "\n".join([*lines, "    esac", "}", "compdef _ekm3d ekm3d"])


def fish(commands: list[Command]) -> str:
    """Return the script for fish."""
    lines = ["complete -c ekm3d -f -n __fish_use_subcommand -l help",
             "complete -c ekm3d -f -n __fish_use_subcommand -l version"]
    for c in commands:
        lines.append(f"complete -c ekm3d -f -n __fish_use_subcommand -a {c.name} "
                     f"-d {_quoted(c.meaning)}")
        inside = f"complete -c ekm3d -n '__fish_seen_subcommand_from {c.name}'"
        if c.choices:
            lines.append(f"{inside} -f -a {_quoted(' '.join(c.choices))}")
        for option in c.options:
            names = "".join(f" -l {n[2:]}" if n.startswith("--") else f" -s {n[1:]}"
                            for n in option.names)
            value = f" -x -a {_quoted(' '.join(option.choices))}" if option.choices else (
                " -r" if option.takes_value else "")
            lines.append(f"{inside}{names}{value} -d {_quoted(option.meaning)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Return a text in single quotes of a shell (POSIX and fish)."""
    return "'" + text.replace("\\", "\\\\").replace("'", "'\\''") + "'"


SHELLS: dict[str, Callable[[list[Command]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
