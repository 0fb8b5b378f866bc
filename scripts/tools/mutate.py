"""Mutation test: change one token of the program at a time and see whether the tests fail.

    python scripts/tools/mutate.py kernels/physics/flow.cu --count 16 -- tests/physics/test_flow.py

A mutant differs from the program in a single token inside a function: an operator (+ to -), a
comparison (< to <=) or a constant (2 to 3). The tests named after `--` run on a copy of the tree,
first as it is, where they must pass, then once for every mutant, with -x. A mutant is killed where
they fail or do not end; one that survives is either equivalent to the program or shows what no
test looks at. One that does not compile says nothing and is counted apart. The same seed, count
and file give the same mutants, so that two versions of the tests can be compared: `--tree` names
a checkout whose files and tests are used.
"""

import argparse
import ast
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tokenize
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SWAPS = {"+": "-", "-": "+", "*": "/", "/": "*", "**": "*", "<": "<=", "<=": "<", ">": ">=",
         ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+=": "-=", "-=": "+=",
         "*=": "/=", "/=": "*=", "and": "or", "or": "and", "min": "max", "max": "min"}
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+\.?\d*(?:[eE][+-]?\d+)?|<<|>>|->|\+\+|--|[-+*/<>=!&|]=|&&|"
                   r"\|\||\S")
TYPES = {"real", "single", "double", "float", "int", "long", "char", "unsigned", "bool", "void",
         "auto", "const", "return"}
IGNORED = {".git", "out", "__pycache__", ".hypothesis", ".pytest_cache", ".venv"}


@dataclass(frozen=True)
class Mutant:
    """One changed token: where it stands in the text, what it was, what it becomes."""

    start: int
    old: str
    new: str
    line: int

    def text(self, source: str) -> str:
        """Return the text of the file with the change."""
        return source[:self.start] + self.new + source[self.start + len(self.old):]


def replacement(token: str) -> str | None:
    """Return what a token becomes; None for one that stays."""
    if token in SWAPS:
        return SWAPS[token]
    if token.isdigit():
        return str(int(token) + 1)
    return str(float(token) + 1) if re.fullmatch(r"\d[\d.eE+-]*", token) else None


def python_mutants(source: str) -> list[Mutant]:
    """Return the mutants of all function bodies, docstrings and nested definitions left out."""
    spans = [(node.body[0].lineno, node.end_lineno or 0) for node in ast.walk(ast.parse(source))
             if isinstance(node, ast.FunctionDef)]
    begins = [0]
    for line in source.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row, column = token.start
        new = replacement(token.string)
        if token.type in (tokenize.OP, tokenize.NAME, tokenize.NUMBER) and new and any(
                first <= row <= last for first, last in spans):
            mutant = Mutant(begins[row - 1] + column, token.string, new, row)
            if compiles(mutant.text(source)):
                found.append(mutant)
    return found


def compiles(text: str) -> bool:
    """Return whether a text is Python."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def kernel_mutants(source: str) -> list[Mutant]:
    """Return the mutants within braces; neither declarations of pointers nor macros."""
    blank = re.sub(r"//[^\n]*|/\*.*?\*/|^[ \t]*#[^\n]*(?:\\\n[^\n]*)*",
                   lambda m: re.sub(r"[^\n]", " ", m[0]), source, flags=re.S | re.M)
    found, depth, before = [], 0, ""
    for match in TOKEN.finditer(blank):
        token, new = match[0], replacement(match[0])
        depth += (token == "{") - (token == "}")
        operand = re.match(r"[\w\])]", before[-1:]) and before not in TYPES
        if new and depth > 0 and (token[0].isalnum() or operand or token == "-"):
            found.append(Mutant(match.start(), token, new, blank.count("\n", 0, match.start()) + 1))
        before = token
    return found


def sample(path: Path, count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants of a file, drawn with a seed, in the order of their places."""
    source = path.read_text(encoding="utf-8")
    mutants = python_mutants(source) if path.suffix == ".py" else kernel_mutants(source)
    chosen = random.Random(seed).sample(mutants, min(count, len(mutants)))
    return sorted(chosen, key=lambda mutant: mutant.start)


def outcome(tree: Path, tests: list[str], limit: float) -> str:
    """Run the tests in a tree: "passed", "failed", "no build" or "no end"."""
    environ = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
            cwd=tree, env=environ, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return "no end"
    if answer.returncode > 2:               # no tests, or none of that name
        raise SystemExit(answer.stdout + answer.stderr)
    if answer.returncode and re.search(r"\.cuh?:\d+:\d+: error:", answer.stdout):
        return "no build"
    return "failed" if answer.returncode else "passed"


def tried(tree: Path, name: str, mutants: list[Mutant], tests: list[str]):
    """Yield every mutant of a file with its outcome; the file is as before afterwards."""
    path = tree / name
    source, begun = path.read_text(), time.monotonic()
    if outcome(tree, tests, 3600.0) != "passed":
        raise SystemExit(f"{name}: the tests fail before anything is changed")
    limit = 120.0 + 5 * (time.monotonic() - begun)
    for mutant in mutants:
        path.write_text(mutant.text(source))
        try:
            yield mutant, outcome(tree, tests, limit)
        finally:
            path.write_text(source)


def main(words: list[str]) -> int:
    """Print every mutant with its outcome, and the counts at the end; the number of survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", help="files to change, below the tree")
    parser.add_argument("--count", type=int, default=16, help="mutants of every file")
    parser.add_argument("--seed", type=int, default=20231)
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout with files and tests")
    parser.add_argument("--list", action="store_true", help="show the mutants, run nothing")
    cut = words.index("--") if "--" in words else len(words)
    given, tests = parser.parse_args(words[:cut]), words[cut + 1:]
    counts = dict.fromkeys(("passed", "failed", "no build", "no end"), 0)
    with tempfile.TemporaryDirectory() as folder:
        tree = given.tree.resolve()
        if not given.list:
            tree = Path(shutil.copytree(tree, Path(folder) / "tree",
                                        ignore=shutil.ignore_patterns(*IGNORED)))
        for name in given.files:
            mutants = sample(tree / name, given.count, given.seed)
            lines = (tree / name).read_text().splitlines()
            results = ((mutant, "") for mutant in mutants)
            for mutant, result in results if given.list else tried(tree, name, mutants, tests):
                word = {"passed": "SURVIVED", "failed": "killed"}.get(result, result)
                print(f"{word:9}{name}:{mutant.line}: {mutant.old} -> {mutant.new}    "
                      f"{lines[mutant.line - 1].strip()}", flush=True)
                if result:
                    counts[result] += 1
    if not given.list:
        print(f"{counts['failed'] + counts['no end']} killed, {counts['passed']} survived, "
              f"{counts['no build']} did not compile")
    return counts["passed"]


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
