// exp, log, square root of kernels. Written out on the host, so that loops over lanes are vectors
// with any compiler and C library: exact to two digits of the last place.
#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
INLINE real exponential(real x) { return exp(x); }
INLINE real limited_exponential(real x) { return exp(x); }
INLINE real logarithm(real x) { return log(x); }
INLINE real square_root(real x) { return sqrt(x); }
#else
INLINE real square_root(real x) { return __builtin_sqrt(x); }

// exp x = 2^n exp(r): `whole` is x / ln 2 + SHIFT, whose last digits are n.
constexpr real SHIFT = 6755399441055744;                                     // 1.5 * 2^52
INLINE real two_to(real whole)
{
    return number_of(Offset((static_cast<unsigned long long>(bits_of(whole)) + 1023) << 52));
}

// x = m 2^n with m near 1; x normal, positive.
struct Split {
    real m, n;
};

INLINE Split split(real x)
{
    const Offset bits = bits_of(x), raised = bits - 0x3FE6A09E667F3BCD;         // bits of sqrt(1/2)
    const Offset mantissa = bits - (raised & Offset(0xFFF0000000000000)), e = raised >> 52;
    return {number_of(mantissa), number_of(e + 0x4338000000000000) - SHIFT};    // bits of SHIFT
}

// 2^n exp(r), |r| < ln 2 / 2 by its power series; 0 below exp(-708). x is at most 709.
INLINE real limited_exponential(real x)
{
    const real whole = x * real(1.4426950408889634074) + SHIFT, n = whole - SHIFT;
    const real r = (x - n * real(6.93145751953125e-1)) - n * real(1.42860682030941723212e-6);
    real sum = real(1.6059043836821613e-10);                                   // 1/13!
    const real inverse[] = {real(2.08767569878681e-9), real(2.505210838544172e-8),
        real(2.755731922398589e-7), real(2.7557319223985893e-6), real(2.48015873015873e-5),
        real(1.984126984126984e-4), real(1.3888888888888889e-3), real(8.333333333333333e-3),
        real(4.1666666666666664e-2), real(1.6666666666666666e-1), real(0.5), real(1), real(1)};
    for (real term : inverse)
        sum = sum * r + term;
    return x < -708 ? real(0) : sum * two_to(whole);
}
INLINE real exponential(real x) { return limited_exponential(smaller(x, 709)); }

// ln x = n ln 2 + 2 artanh s, s = (m - 1)/(m + 1); x normal, positive.
INLINE real logarithm(real x)
{
    const auto [m, n] = split(x);
    const real s = (m - 1) / (m + 1), q = s * s;
    real sum = real(1) / 21;
    for (int k = 19; k > 0; k -= 2)
        sum = sum * q + real(1) / k;
    return n * real(6.93147180369123816490e-1)
         + (2 * s * sum + n * real(1.90821492927058770002e-10));
}
#endif
