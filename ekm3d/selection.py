"""The chemistry of a case: from a file or written in the case, narrowed to what it names."""

from ekm3d.casetext import UNREAD, Unread, suggest
from ekm3d.database import DatabaseError, build, read_tables


def read_chemistry(file, directory, problems):
    """The Chemistry of the database, narrowed to what [chemistry] names.

    Where that cannot be done it is the whole database, so that the other checks go on.
    """
    choice = file.chemistry
    if (choice.database is None) == (choice.inline is None):
        problems.add(("chemistry",), "needs either database = \"database.toml\", a file in the "
                     "case directory, or the same tables in the case itself, under "
                     "[chemistry.inline]")
        raise Unread
    tables = choice.inline
    if tables is None:
        tables = _file(choice.database, directory, problems)
    whole = _built(tables, choice, problems)
    labels = dict(zip(whole.labels, whole.components))
    components = problems.attempt(_chosen, "components", choice, whole, problems, labels)
    minerals = problems.attempt(_chosen, "minerals", choice, whole, problems)
    if components is UNREAD or minerals is UNREAD:
        return whole
    try:
        chosen = build(tables, choice.database or "inline", components, minerals)
    except ValueError as e:
        for line in str(e).splitlines():
            problems.add(("chemistry",), line)
        return whole
    return chosen if choice.activity is None else chosen.ideal()


def _file(name, directory, problems):
    """The tables of the file, not checked."""
    try:
        return read_tables(directory / name)
    except OSError as e:
        problems.add(("chemistry", "database"), f"cannot read {name!r}: {e.strerror}; "
                     "name a file in the case directory")
    except ValueError as e:
        problems.add(("chemistry", "database"), str(e))
    raise Unread


def _built(tables, choice, problems):
    """The Chemistry of all tables; what is wrong in the case itself gets its own line."""
    try:
        return build(tables, choice.database or "inline")
    except DatabaseError as e:
        for (place, text), line in zip(e.problems, str(e).splitlines()):
            if choice.inline is None:
                problems.add(("chemistry", "database"), line)
            else:
                problems.add(("chemistry", "inline", *place), text)
        raise Unread from None


def _chosen(key, choice, whole, problems, labels=None):
    """The names of components or minerals as the database has them; None: all of it."""
    names, known = getattr(choice, key), getattr(whole, key)
    if names is None:
        return None
    chosen = []
    for n, name in enumerate(names):
        full = name if name in known else (labels or {}).get(name)
        if full is None:
            problems.add(("chemistry", key, n), f"the database has no {key[:-1]} {name!r}"
                         + suggest(name, known))
        elif full in chosen:
            problems.add(("chemistry", key, n), f"{name!r} is named twice")
        chosen.append(full)
    if None in chosen or len(set(chosen)) < len(chosen):
        raise Unread
    return chosen
