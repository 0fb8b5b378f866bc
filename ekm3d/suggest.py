"""Suggestions for names that are nearly right."""

import difflib


def suggest(name, known):
    """"; did you mean 'x'?" or "; known: ..." for the message about an unknown name."""
    known = [str(k) for k in known]
    folded = {k.lower(): k for k in known}
    near = difflib.get_close_matches(str(name).lower(), folded, 1)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    return f"; known: {', '.join(known) or 'none'}"
