// Packs: numbers of neighbouring voxels along x, as many as a vector register of the host holds,
// for loops whose order over species and voxels the compiler would not choose; on the GPU one
// number. Every operation is rounded as that of `real`: results do not depend on the width.

#if LANES == 1

constexpr int WIDTH = 1;
typedef real Pack;
typedef bool Mask;

INLINE Pack broadcast(real x) { return x; }
INLINE Pack load(const real* from) { return *from; }
INLINE void store(real* to, Pack x, int) { *to = x; }
INLINE Pack choose(Mask m, Pack a, Pack b) { return m ? a : b; }
INLINE Mask less(Pack a, Pack b) { return a < b; }
INLINE Mask opposite(Mask m) { return !m; }
INLINE Mask picked(const Mask (&m)[2][1], bool second, int) { return m[0][0] != second; }
INLINE bool any(Mask m) { return m; }
INLINE Mask set(const Flag* from) { return *from != 0; }
INLINE void fetch_once(const real*) {}

#else

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#if !defined(__clang__)
#define EKM_MASKS                  // GCC would keep comparisons as numbers, not as bits
#endif
constexpr int WIDTH = 8;
#elif defined(__AVX__)
constexpr int WIDTH = 4;
#else
constexpr int WIDTH = 2;
#endif
typedef real Pack __attribute__((vector_size(WIDTH * sizeof(real))));
typedef Offset Bits __attribute__((vector_size(WIDTH * sizeof(real))));

INLINE Pack broadcast(real x) { return Pack{} + x; }
INLINE Pack load(const real* from) { Pack x; __builtin_memcpy(&x, from, sizeof x); return x; }
INLINE Bits bits_of(Pack x) { return reinterpret_cast<Bits>(x); }
INLINE Pack number_of(Bits x) { return reinterpret_cast<Pack>(x); }

// The first `count` numbers of a pack.
INLINE void store(real* to, Pack x, int count)
{
    if (count >= WIDTH)
        __builtin_memcpy(to, &x, sizeof x);
    else
        for (int l = 0; l < count; l++)
            to[l] = x[l];
}

// The last number of one pack, and all but the last of the next.
INLINE Pack behind_last(Pack before, Pack x)
{
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    return __builtin_shufflevector(before, x, 7, 8, 9, 10, 11, 12, 13, 14);
#elif defined(__AVX__)
    return __builtin_shufflevector(before, x, 3, 4, 5, 6);
#else
    return __builtin_shufflevector(before, x, 1, 2);
#endif
}

#ifdef EKM_MASKS

typedef unsigned char Mask;
INLINE Pack choose(Mask m, Pack a, Pack b) { return __builtin_ia32_blendmpd_512_mask(b, a, m); }
INLINE Mask less(Pack a, Pack b) { return __builtin_ia32_cmppd512_mask(a, b, 17, -1, 4); }
INLINE Mask opposite(Mask m) { return ~m; }
INLINE bool any(Mask m) { return m != 0; }
INLINE Pack larger(Pack a, Pack b) { return __builtin_ia32_maxpd512_mask(a, b, a, -1, 4); }
INLINE Pack smaller(Pack a, Pack b) { return __builtin_ia32_minpd512_mask(a, b, a, -1, 4); }

// The larger, or 0 where the mask is not set.
INLINE Pack larger_where(Mask m, Pack a, Pack b)
{
    return __builtin_ia32_maxpd512_mask(a, b, Pack{}, m, 4);
}

// a b where the mask is set.
INLINE Pack times_where(Mask m, Pack a, Pack b, Pack elsewhere)
{
    return __builtin_ia32_mulpd512_mask(a, b, elsewhere, m, 4);
}

// -x where the mask is set.
INLINE Pack turned(Mask m, Pack x)
{
    return __builtin_ia32_subpd512_mask(Pack{}, x, x, m, 4);
}

INLINE Pack along(Pack x, Pack way)
{
    const Bits sign = Bits{} + (Offset(1) << 63);
    return number_of(__builtin_ia32_pternlogq512_mask(bits_of(x), bits_of(way), sign, 0x78, -1));
}

INLINE Mask set(const Flag* from)
{
    Offset eight;
    __builtin_memcpy(&eight, from, sizeof eight);
    Mask m = 0;
    if (eight)
        for (int l = 0; l < WIDTH; l++)
            m |= (from[l] != 0) << l;
    return m;
}

#else

typedef Bits Mask;
INLINE Pack choose(Mask m, Pack a, Pack b) { return m ? a : b; }
INLINE Mask less(Pack a, Pack b) { return a < b; }
INLINE Mask opposite(Mask m) { return ~m; }
INLINE Pack larger(Pack a, Pack b) { return a > b ? a : b; }
INLINE Pack smaller(Pack a, Pack b) { return a < b ? a : b; }
INLINE Pack along(Pack x, Pack way)
{
    return number_of(bits_of(x) ^ (bits_of(way) & (Bits{} + (Offset(1) << 63))));
}
INLINE bool any(Mask m)
{
    Offset found = 0;
    for (int l = 0; l < WIDTH; l++)
        found |= m[l];
    return found != 0;
}
INLINE Mask set(const Flag* from)
{
    Mask m;
    for (int l = 0; l < WIDTH; l++)
        m[l] = -Offset(from[l] != 0);
    return m;
}

#endif

INLINE Pack magnitude(Pack a) { return number_of(bits_of(a) & (Bits{} + ~(Offset(1) << 63))); }

INLINE Pack fused(Pack a, Pack b, Pack c)
{
#if defined(EKM_MASKS) && defined(__FMA__)
    return __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, 4);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    Pack sum;
    for (int l = 0; l < WIDTH; l++)
        sum[l] = __builtin_fma(a[l], b[l], c[l]);
    return sum;
#else
    return a * b + c;
#endif
}

// Prefetch of the line of a number: of one that is read soon, or after a whole row.
INLINE void fetch_once(const real* at) { __builtin_prefetch(at, 0, 3); }
INLINE void fetch_far(const real* at) { __builtin_prefetch(at, 0, 2); }

// The first or the second of a pair of masks and their opposites.
template <int count>
INLINE Mask picked(const Mask (&m)[2][count], bool second, int q) { return m[second][q]; }

// Power of two whose product with x lies between 1 and 2; x >= 0, not subnormal.
INLINE Pack inverse_power_of_two(Pack x)
{
    static_assert(sizeof(real) == 8, "on the host real is double");
    return number_of(0x7FE0000000000000 - (bits_of(x) & (Bits{} + 0x7FF0000000000000)));
}

#endif

#ifndef EKM_MASKS
INLINE Pack turned(Mask m, Pack x) { return choose(m, -x, x); }
INLINE Pack larger_where(Mask m, Pack a, Pack b) { return choose(m, larger(a, b), broadcast(0)); }
INLINE Pack times_where(Mask m, Pack a, Pack b, Pack elsewhere)
{
    return choose(m, a * b, elsewhere);
}
#endif
