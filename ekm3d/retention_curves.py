"""Retention curves: water content and conductivity of rock at a pressure head below 0.

    S_e = (1 + (alpha s)^n)^-m, m = 1 - 1/n,      s = -psi, the suction       van Genuchten    [1]
    K_r = S_e^l ((1 - (1 - S_e^(1/m))^m))^2                                   Mualem           [1]
    S_e = K_r = exp(-alpha s), from alpha s of 430 on falling as 1/s          Gardner
    S_e = (alpha s)^-n, K_r = S_e^(l + 2 + 2/n)   where alpha s > 1           Brooks-Corey
    S_e = sum_i w_i S_i, K_r = S_e^l (sum_i w_i alpha_i F_i / sum_i w_i alpha_i)^2, two modes

F_i is the bracket of Mualem's model for one mode (Durner 1994; Priesack and Durner 2006). With an
air-entry value h_e the rock stays full up to s = h_e, and S_e and K_r of van Genuchten are
divided by their values there (Vogel et al. 2001, Ippisch et al. 2006): for n < 2 the slope of K_r
is then finite. theta = theta_r + (theta_s - theta_r) S_e.

A curve is the list of PARAMETERS, arrays of one shape; `complete` sets those that follow. Twin of
kernels/physics/retention_curves.cuh.
"""

from typing import Any

import numpy as np

PARAMETERS = ("model", "alpha", "n", "residual", "saturated", "connectivity", "air_entry",
              "alpha_2", "n_2", "share_2", "full_saturation", "full_bracket")
(MODEL, ALPHA, N, RESIDUAL, SATURATED, CONNECTIVITY, AIR_ENTRY, ALPHA_2, N_2, SHARE_2,
 FULL_SATURATION, FULL_BRACKET) = range(len(PARAMETERS))
MODELS = {"van Genuchten": 1.0, "Gardner": 2.0, "Brooks-Corey": 3.0}     # 0: no pores
SMALL, TERMS = 0.05, 10         # below, (1 - u)^m is taken from its series, of so many terms
LARGEST_EXPONENT = 600.0        # of (alpha s)^n
DRIEST_GARDNER = 430.0          # alpha s, beyond which K_r, 1e-187, falls as 1/s only
SMALLEST = 1e-300           # S_e of which a logarithm is taken
FRINGE = 0.1                    # slope in the fringe over that at the air-entry value
KERNEL_CONSTANTS = {"FRINGE": FRINGE, "SMALL_SHARE": SMALL, "SERIES_TERMS": TERMS,
                    "LARGEST_EXPONENT": LARGEST_EXPONENT, "DRIEST_GARDNER": DRIEST_GARDNER}


def air_entry(curve: Any) -> Any:
    """Return the suction [m] up to which the rock stays full."""
    brooks = curve[MODEL] == MODELS["Brooks-Corey"]
    if not brooks.any():
        return curve[AIR_ENTRY]
    return np.where(brooks, 1.0 / np.where(brooks, curve[ALPHA], 1.0), curve[AIR_ENTRY])


def _mode(s: Any, alpha: Any, n: Any) -> tuple[Any, Any, Any, Any]:
    """(S, s dS/ds, bracket of Mualem, ln S) of one mode of van Genuchten at suctions s > 0."""
    m = 1.0 - 1.0 / n
    log_x = np.minimum(n * np.log(alpha * s), LARGEST_EXPONENT)
    x = np.exp(log_x)
    log_sum, u = np.log(1.0 + x), 1.0 / (1.0 + x)
    log_saturation = -m * log_sum
    saturation = np.exp(log_saturation)
    series = np.ones_like(u)
    for k in range(TERMS, 1, -1):
        series = 1.0 + (k - 1 - m) / k * u * series
    bracket = np.where(u < SMALL, m * u * series, 1.0 - np.exp(m * (log_x - log_sum)))
    return saturation, -m * n * (x * u) * saturation, bracket, log_saturation


def _two_modes(s: Any, curve: Any) -> tuple[Any, Any, Any, Any]:
    """The same of both modes together, S not divided by that at the air-entry value."""
    alpha, n, share = curve[ALPHA], curve[N], curve[SHARE_2]
    s_1, slope_1, f_1, log_1 = _mode(s, alpha, n)
    both = share > 0
    if not both.any():
        return s_1, slope_1, f_1, log_1
    alpha_2, n_2 = np.where(both, curve[ALPHA_2], alpha), np.where(both, curve[N_2], n)
    s_2, slope_2, f_2, _ = _mode(s, alpha_2, n_2)
    weight = (1.0 - share) * alpha + share * alpha_2
    saturation = (1.0 - share) * s_1 + share * s_2
    bracket = ((1.0 - share) * alpha * f_1 + share * alpha_2 * f_2) / weight
    return (saturation, (1.0 - share) * slope_1 + share * slope_2, np.where(both, bracket, f_1),
            np.where(both, np.log(saturation), log_1))


def effective(pressure_head: Any, curve: Any) -> tuple[Any, Any, Any]:
    """Return (S_e, dS_e/dpsi [1/m], K_r) at pressure heads psi [m] and a curve, all of one shape.

    Without pores (model 0): 0, 0, 0. In the fringe, full though s > 0, the slope is FRINGE of that
    at the air-entry value: iterations that cross it back and forth then come to rest (with all of
    it those that stay within do so slowly, with none of it those that leave).
    """
    model = curve[MODEL]
    if (model == MODELS["van Genuchten"]).all():
        return _all_van_genuchten(pressure_head, curve)
    entry = air_entry(curve)
    dry = (model > 0) & (-pressure_head > entry)
    fringe = (model > 0) & (pressure_head < 0.0) & ~dry
    s = np.where(fringe, entry, -pressure_head)
    out = (np.where(model > 0, 1.0, 0.0), np.zeros(np.shape(s)), np.where(model > 0, 1.0, 0.0))
    with np.errstate(over="ignore", under="ignore"):
        for name, law in LAWS.items():
            mine = (dry | fringe) & (model == MODELS[name])
            if mine.any():
                found = law(s[mine], [p[mine] for p in curve])
                out[1][mine] = np.where(dry[mine], 1.0, FRINGE) * found[1]
                for n in (0, 2):
                    out[n][mine] = np.where(dry[mine], found[n], 1.0)
    return out


def _all_van_genuchten(pressure_head, curve):
    """The same where all voxels have this model, all at once."""
    s, entry = -pressure_head, curve[AIR_ENTRY]
    full = ~(s > entry)
    drains = s > 0.0
    at = np.where(full, np.where(drains, entry, 1.0 / curve[ALPHA]), s)
    with np.errstate(over="ignore", under="ignore"):
        saturation, slope, relative = _van_genuchten(at, curve)
    return (np.where(full, 1.0, saturation),
            np.where(drains, np.where(full, FRINGE, 1.0) * slope, 0.0),
            np.where(full, 1.0, relative))


def _van_genuchten(s, curve):
    """(S_e, dS_e/dpsi, K_r) at suctions s above the air-entry value; likewise below."""
    saturation, slope, bracket, log_saturation = _two_modes(s, curve)
    full, bracket = curve[FULL_SATURATION], bracket / curve[FULL_BRACKET]
    relative = np.exp(curve[CONNECTIVITY] * log_saturation) * bracket * bracket
    return saturation / full, -(slope / full) / s, relative


def _gardner(s, curve):
    exponent = curve[ALPHA] * s
    near = np.minimum(exponent, DRIEST_GARDNER)
    saturation = np.exp(-near) * (near / exponent)
    return saturation, np.where(exponent > near, 1.0 / s, curve[ALPHA]) * saturation, saturation


def _brooks_corey(s, curve):
    n, log_s = curve[N], np.log(curve[ALPHA] * s)
    saturation = np.exp(-n * log_s)
    return (saturation, n * saturation / s,
            np.exp(-(n * (curve[CONNECTIVITY] + 2.0) + 2.0) * log_s))


LAWS = {"van Genuchten": _van_genuchten, "Gardner": _gardner, "Brooks-Corey": _brooks_corey}


def conductivity_slope(pressure_head: Any, curve: Any) -> Any:
    """Return dK_r/dpsi [1/m] at pressure heads psi [m]: of one mode of van Genuchten, else 0.

    In full pores, the fringe included, it is 0.
    """
    s = -pressure_head
    mine = (curve[MODEL] == MODELS["van Genuchten"]) & ~(curve[SHARE_2] > 0) & (
        s > np.maximum(curve[AIR_ENTRY], 0.0))
    out = np.zeros(np.shape(s))
    if mine.any():
        own, at = [values[mine] for values in curve], s[mine]
        with np.errstate(over="ignore", under="ignore"):
            saturation, slope, bracket, _ = _mode(at, own[ALPHA], own[N])
            relative = _van_genuchten(at, own)[2]
            m = 1.0 - 1.0 / own[N]
            u = 1.0 / (1.0 + np.exp(np.minimum(own[N] * np.log(own[ALPHA] * at),
                                               LARGEST_EXPONENT)))
            fall = m * own[N] * u * (1.0 - bracket) / bracket
            out[mine] = relative * (2.0 * fall - own[CONNECTIVITY] * (slope / saturation)) / at
    return out


def complete(curve: Any) -> None:
    """Set the last two parameters, of van Genuchten at the air-entry value.

    They are S, and the bracket times S^(l/2): the square of this one is K_r of a curve without
    air-entry value.
    """
    curve[FULL_SATURATION] = curve[FULL_BRACKET] = 1.0
    mine = (curve[MODEL] == MODELS["van Genuchten"]) & (curve[AIR_ENTRY] > 0)
    if mine.any():
        own = [values[mine] for values in curve]
        saturation, _, bracket, log_saturation = _two_modes(own[AIR_ENTRY], own)
        curve[FULL_SATURATION][mine] = saturation
        curve[FULL_BRACKET][mine] = bracket * np.exp(0.5 * own[CONNECTIVITY] * log_saturation)


def water_content(pressure_head: Any, curve: Any) -> Any:
    """Return theta at pressure heads [m]."""
    return curve[RESIDUAL] + (curve[SATURATED] - curve[RESIDUAL]) * effective(pressure_head,
                                                                              curve)[0]


def pressure_head(theta: Any, curve: Any) -> Any:
    """Return the pressure head [m] at a water content above the residual one; 0 or below.

    Where the pores are full it is minus the air-entry value. By bisection of ln s, to the last
    digits of theta.
    """
    width = np.where(curve[MODEL] > 0, curve[SATURATED] - curve[RESIDUAL], 1.0)
    wanted = np.clip((theta - curve[RESIDUAL]) / width, 0.0, 1.0)
    low, high = np.full(np.shape(wanted), -40.0), np.full(np.shape(wanted), 60.0)
    for _ in range(64):
        middle = 0.5 * (low + high)
        wet = effective(-np.exp(middle), curve)[0] > wanted
        low, high = np.where(wet, middle, low), np.where(wet, high, middle)
    full = (wanted >= 1.0 - 1e-12) | (curve[MODEL] == 0)
    return np.where(full, -np.where(curve[MODEL] > 0, air_entry(curve), 0.0),
                    -np.exp(0.5 * (low + high)))


def suction(saturation: Any, curve: Any) -> Any:
    """Return the suction [m] at S_e, above 0 and at most 1, of one mode; arrays of one shape.

    Not below the air-entry value. Of two modes there is no such formula: the result is that of the
    first.
    """
    model, alpha, n = curve[MODEL], curve[ALPHA], curve[N]
    log_s = np.log(np.maximum(saturation, SMALLEST))
    out = curve[AIR_ENTRY] + 0.0 * log_s
    for name, law in INVERSES.items():
        mine = model == MODELS[name]
        if mine.any():
            out[mine] = law(log_s[mine], alpha[mine], n[mine], curve[FULL_SATURATION][mine])
    return np.maximum(out, air_entry(curve))


# s [m] by ln S_e, alpha, n and S at the air-entry value.
INVERSES = {
    "van Genuchten": lambda log_s, alpha, n, full: np.power(
        np.maximum(np.exp(np.minimum((log_s + np.log(full)) * n / (1.0 - n), LARGEST_EXPONENT))
                   - 1.0, 0.0), 1.0 / n) / alpha,
    "Gardner": lambda log_s, alpha, n, full: -log_s / alpha,
    "Brooks-Corey": lambda log_s, alpha, n, full: np.exp(-log_s / n) / alpha,
}


def steepest(curve: Any) -> Any:
    """Return the largest dtheta/dpsi [1/m] of a curve at any pressure head, or a bound of it.

    Of one mode: at (alpha s)^n = m.
    """
    model = curve[MODEL]
    safe = [np.where(model > 0, values, 1.0) for values in curve]

    def of_mode(alpha, n):
        n = np.maximum(n, 1.0 + 1e-9)
        m = 1.0 - 1.0 / n
        return (n - 1.0) * alpha * m**m * (1.0 + m)**-(1.0 + m)

    share = np.where(model > 0, curve[SHARE_2], 0.0)
    second = np.where(share > 0, of_mode(np.where(share > 0, safe[ALPHA_2], 1.0),
                                         np.where(share > 0, safe[N_2], 2.0)), 0.0)
    slopes = {"van Genuchten": (1.0 - share) * of_mode(safe[ALPHA], safe[N]) + share * second,
              "Gardner": safe[ALPHA], "Brooks-Corey": safe[ALPHA] * safe[N]}
    out = np.zeros_like(safe[ALPHA])
    for name, code in MODELS.items():
        out = np.where(model == code, slopes[name], out)
    return out * (curve[SATURATED] - curve[RESIDUAL])
