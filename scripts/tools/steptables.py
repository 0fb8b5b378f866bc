"""Tables of the accuracy studies: errors and orders of runs with successively halved steps."""

import numpy as np

CUTS = (1, 2, 4, 8)            # divisors of the default steps
NOISE = 1e-7                   # relative changes below this give no order


def limit(values, order=1):
    """Return the value extrapolated to dt = 0 from the two shortest steps (Richardson).

    q(dt/2) + (q(dt/2) - q(dt))/(2^order - 1): exact for an error proportional to dt^order.
    """
    return values[-1] + (values[-1] - values[-2]) / (2**order - 1)


def orders(values):
    """Observed orders, log2 of the ratio of successive changes; nan where these are noise."""
    change = np.abs(np.diff(values))
    sure = change > NOISE * np.abs(values[-1])
    ratio = np.divide(change[:-1], change[1:], out=np.full(change.size - 1, np.nan),
                      where=sure[:-1] & sure[1:])
    return np.log2(ratio)


def table(head, rows):
    """Lines of a Markdown table, with an empty one before and after; cells are text."""
    yield ""
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def deviation(value, exact):
    """Text of value over exact - 1 in %; "-" where both are nothing."""
    return "-" if value == exact == 0.0 else f"{100 * (value / exact - 1):+.2g}"


def compared(runs, measure, order=1):
    """Return (lines, {quantity: error of the first run in %}) of runs with halved steps.

    order: order of the steps, with which values are extrapolated to dt = 0.
    """
    found = [measure(run) for run in runs]
    rows, errors = [], {}
    for name in found[0]:
        values = np.array([f[name] for f in found])
        exact = limit(values, order)
        if exact or values[0]:
            errors[name] = 100 * (values[0] / exact - 1)
        rows.append([name, *(f"{v:.5g}" for v in values), f"{exact:.5g}",
                     ", ".join("-" if np.isnan(p) else f"{p:.2f}" for p in orders(values)),
                     deviation(values[0], exact)])
    head = ["quantity", *("dt" if n == 1 else f"dt/{n}" for n in CUTS[:len(runs)]),
            "dt = 0", "order", "error of dt (%)"]
    steps = [f"{run.steps.size} of {run.steps.mean():.0f} s" for run in runs]
    return [*table(head, [["steps", *steps, "", "", ""], *rows])], errors


def verdict(errors, step, wanted=1.0):
    """Sentence on the errors of the default steps; step: mean step of the first run [s]."""
    worst = max(errors, key=lambda name: abs(errors[name]))
    rest = [abs(e) for name, e in errors.items() if name != worst]
    longest = step * wanted / max(abs(errors[worst]), 1e-9)
    text = (f"Largest error: {worst}, {errors[worst]:+.2g} %; all others are within "
            f"{max(rest):.2g} %. ")
    if abs(errors[worst]) <= wanted:
        return text + f"With the default steps all errors are within {wanted:g} %."
    return text + (f"Steps of about {longest:.0f} s, not {step:.0f} s, would bring it to "
                   f"{wanted:g} % if nothing but the step changes.")
