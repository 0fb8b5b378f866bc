"""Suggestions for misspelt names."""

from collections.abc import Iterable

from ekm3d.quoting import quoted, some


def suggest(name: object, known: Iterable[object], other_names: Iterable[object] = ()) -> str:
    """Return "; did you mean 'x'?" or "; known: ...", to end a message about an unknown name.

    other_names: of the same things, which may be meant and are not listed.
    """
    import difflib  # imported here: it costs 5 ms, and only mistakes need it

    names = list(dict.fromkeys(map(str, known)))
    folded = {k.lower(): k for k in (*map(str, other_names), *names)}
    near = difflib.get_close_matches(str(name).lower(), folded, 1) if len(str(name)) < 100 else []
    if near:
        return f"; did you mean {quoted(folded[near[0]])}?"
    return f"; known: {some(names, 20)}"
