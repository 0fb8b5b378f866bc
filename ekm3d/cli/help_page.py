"""Help pages of the commands: a sentence, the grammar, and examples that run as they stand."""

import argparse
from typing import Any

HEADING = "examples:"


def page(text: str, *examples: str) -> dict[str, Any]:
    """Return the arguments of `add_parser` for a page: its help, description and examples.

    text: its first line, an imperative in small letters without a full stop, is the help in the
    list of commands, and a sentence on the page; examples: "command    remark". Help of an option
    names its value, or says what a switch does.
    """
    first, _, rest = text.partition("\n")
    return {"help": first, "formatter_class": argparse.RawDescriptionHelpFormatter,
            "description": f"{first[0].upper()}{first[1:]}.\n{rest}".strip(),
            "epilog": "\n".join([HEADING, *(f"  {line}" for line in examples)])}
