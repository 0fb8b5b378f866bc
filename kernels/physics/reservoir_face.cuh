// Face between ore and a well-mixed tank or reservoir; `from_reservoir` of face_interpolation.py.

// c* at the drift z drop [V, reduced]: blended, or the smaller of both sides.
INLINE real beside_reservoir(real ore, real reservoir, real drift, bool smaller_one)
{
    const bool forward = drift > 0;
    const real half = real(1) / 2 / larger(F_RT * magnitude(drift), 1);
    const real blended = (forward ? ore : reservoir)
                       + half * (forward ? reservoir - ore : ore - reservoir);
    return smaller_one ? smaller(ore, reservoir) : blended;
}
