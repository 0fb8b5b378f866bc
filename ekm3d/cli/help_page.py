"""Help pages of the commands: a sentence, the grammar, and examples that run as they stand."""

import argparse
from typing import Any

HEADING = "examples:"


def page(text: str, *examples: str) -> dict[str, Any]:
    """Return the arguments of `add_parser` for a page: its help, description and examples.

    text: the first line is the help in the list of commands; examples: "command    remark".
    """
    first, _, rest = text.partition("\n")
    return {"help": first.rstrip("."), "formatter_class": argparse.RawDescriptionHelpFormatter,
            "description": f"{first}\n{rest}".strip(),
            "epilog": "\n".join([HEADING, *(f"  {line}" for line in examples)])}
