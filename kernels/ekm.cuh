// Portability macros of all kernels: NVRTC, or host C++ with OpenMP. Only this file depends on the
// compiler. It is pasted before each kernel text, never included, behind the generated constants
// (ekm3d/backends/kernel_constants.py). Twin of ekm3d/grid/grid.py and stencil.py.
//     KERNEL name(Grid g, const real* __restrict__ input, real scalar, real* __restrict__ output)
//     {
//         EKM_VOXELS(i, j, k, g) { const Offset a = at(i, j, k, g); output[a] = ...; }
//     }
//
// The body is the loop body: one thread per voxel on the GPU, a loop over rows of voxels on the
// host. Faces are visited by EKM_FACE_ROWS of grid/faces.cuh; a face is stored with the voxel below
// it, so that a launch covers (nx + 1, ny + 1, nz + 1) threads.
// EKM_ROWS visits rows of voxels instead, EKM_ALONG the voxels of one row: on the GPU the 32 lanes
// of a warp (blockDim.x is 32, gridDim.x 1), on the host a loop. Sums go segment by segment:
//
//     EKM_SEGMENTS(s, g) {
//         Segment terms;
//         EKM_SEGMENT(l, s, g) terms[l] = ...;
//         put_sums(terms, sums, s, j, k, g);
//     }
//
// s counts runs of SEGMENT voxels, l the voxels of a run: one segment, with an order of sums of its
// own, or as many segments of one voxel (put_sums: parallel/segments.cuh). EKM_ALONG_SUM: for what
// is exact in any order. EKM_BLOCK_ROWS visits a whole grid within one block (host: one thread),
// BLOCK_WAIT is the barrier of its threads: many small grids in one launch.
//
// Work that many species share is done once for a strip of voxels along x, at most LANES of them:
//
//     EKM_TILES(t, g) { for each k, j in t, for each species { EKM_LANES(l, t.ni) { ... } } }
//
// EKM_UNROLL before a loop writes its rounds out on the GPU: what they index can be registers.
// On the host a tile is a block of strips, small enough for its scratch to stay in the cache, and
// a lane is one number of a vector register: EKM_LANES goes on to the register's end. There lie
// other voxels or ghosts, which may be read but not written: scratch arrays are of type Lanes, and
// results are stored by EKM_ENTRIES, which stops at the count. On the GPU a tile is one voxel, a
// voxel is a thread, and a strip has one face: with an index known to the compiler, scratch arrays
// are registers.
// No system headers, no shared memory, no atomics, no bare decimal literals. REAL is float or
// double; the number of species and the like come as -DNS=...

typedef REAL real;
typedef float single;              // where rounding does not matter: in a preconditioner
typedef long long Offset;          // 64 bits: twelve species on 600^3 voxels pass 2^31
typedef unsigned char Flag;        // 0 or 1

// Annotations of parameters, empty for the compiler and read by the caller's checks
// (ekm3d/backends/kernel_signature.py): `const real* __restrict__ EACH(NS) c` is one padded voxel
// array for each of NS species, `ON(coarse)` a voxel array of the grid `coarse`, `SEGMENTS(g)` one
// number per segment, [k, j, s], `LIST(n)` n numbers. Others are voxel arrays of the first grid.
#define EACH(count)
#define ON(grid)
#define SEGMENTS(grid)
#define LIST(count)
#define EKM_PRAGMA(words) _Pragma(#words)
static_assert(SEGMENT == 32, "a segment has as many voxels as a warp has lanes");
#if defined(__CUDACC_RTC__) || defined(__CUDACC__)

#define KERNEL extern "C" __global__ void
#define INLINE static __device__ __forceinline__
#define ROUTINE INLINE             // for a whole strip; not inlined on the host: compiled once
#define EKM_BOX(i, j, k, g, first)                                              \
    const int i = first + int(blockIdx.x * blockDim.x + threadIdx.x);           \
    const int j = first + int(blockIdx.y * blockDim.y + threadIdx.y);           \
    const int k = first + int(blockIdx.z * blockDim.z + threadIdx.z);           \
    if (i < (g).nx && j < (g).ny && k < (g).nz)
#define EKM_ROWS(j, k, g)                                                       \
    const int j = int(blockIdx.y * blockDim.y + threadIdx.y);                   \
    const int k = int(blockIdx.z * blockDim.z + threadIdx.z);                   \
    if (j < (g).ny && k < (g).nz)
#define EKM_ALONG(i, n) for (int i = threadIdx.x; i < (n); i += 32)
#define EKM_ALONG_SUM(i, n, ...) EKM_ALONG(i, n)
#define EKM_ALONG_MAX(i, n, most) EKM_ALONG(i, n)
#define EKM_SEGMENT(l, s, g) EKM_ALONG(l, length_of_run(s, g))
#define EKM_BLOCK_ROWS(j, k, g)                                                 \
    for (int k = 0, r_ = threadIdx.y; k < (g).nz; k++, r_ -= (g).ny)            \
        for (int j = r_; j < (g).ny; j += blockDim.y, r_ = j)
#define BLOCK_WAIT() __syncthreads()

// Sum and largest of one number per lane, in all lanes; a tree of fixed order.
static __device__ __forceinline__ real of_row(real lane)
{
    for (int far = 16; far > 0; far /= 2) lane += __shfl_xor_sync(0xffffffffu, lane, far);
    return lane;
}
static __device__ __forceinline__ real largest_of_row(real lane)
{
    for (int far = 16; far > 0; far /= 2) {
        const real other = __shfl_xor_sync(0xffffffffu, lane, far);
        lane = lane > other ? lane : other;
    }
    return lane;
}

// Terms of the sums of a run, one per lane of the warp.
struct Segment {
    real lane = 0;
    __device__ __forceinline__ real& operator[](int) { return lane; }
};
INLINE real sum_of_run(const Segment& terms, int) { return of_row(terms.lane); }
#define EKM_UNROLL EKM_PRAGMA(unroll)

// A number that was read before: it shall not have been kept in a register in between.
INLINE real read_again(const real* from) { return *static_cast<const volatile real*>(from); }
INLINE void fetch_ahead(const void*) {}
#define EKM_FEW_LANES
#undef LANES
#define LANES 1
#define PACK 1
#define ALIGNED
#define STRIPS 1
#define LAYERS 1
#define EKM_LANES(l, count) for (int l = 0; l < 1; l++)
#define EKM_ENTRIES(l, count) EKM_LANES(l, count)
typedef real Wide;                 // one number of each lane
INLINE Wide& wide(real* lanes) { return *lanes; }
INLINE const Wide& wide(const real* lanes) { return *lanes; }
#define EKM_TILES(t, g)                                                         \
    const Tile t = {int(blockIdx.x * blockDim.x + threadIdx.x),                 \
                    int(blockIdx.y * blockDim.y + threadIdx.y),                 \
                    int(blockIdx.z * blockDim.z + threadIdx.z), 1, 1, 1};       \
    if (t.i < (g).nx && t.j < (g).ny && t.k < (g).nz)

#else

#define KERNEL extern "C" void
#define INLINE static inline __attribute__((always_inline))
#define ROUTINE static __attribute__((noinline))
#define EKM_BOX(i, j, k, g, first)                                              \
    EKM_PRAGMA(omp parallel for collapse(2) schedule(static) if (worth_threads(g))) \
    for (int k = first; k < (g).nz; k++)                                        \
        for (int j = first; j < (g).ny; j++)                                    \
            EKM_PRAGMA(omp simd)                                                \
            for (int i = first; i < (g).nx; i++)
#define EKM_ROWS(j, k, g)                                                       \
    EKM_PRAGMA(omp parallel for collapse(2) schedule(static) if (worth_threads(g))) \
    for (int k = 0; k < (g).nz; k++)                                            \
        for (int j = 0; j < (g).ny; j++)
#define EKM_ALONG(i, n) EKM_PRAGMA(omp simd) for (int i = 0; i < (n); i++)
#define EKM_ALONG_SUM(i, n, ...)                                                \
    EKM_PRAGMA(omp simd reduction(+ : __VA_ARGS__)) for (int i = 0; i < (n); i++)
#define EKM_ALONG_MAX(i, n, most)                                               \
    EKM_PRAGMA(omp simd reduction(max : most)) for (int i = 0; i < (n); i++)
#define EKM_SEGMENT(l, s, g) EKM_ALONG(l, length_of_run(s, g))
#define EKM_BLOCK_ROWS(j, k, g)                                                 \
    for (int k = 0; k < (g).nz; k++)                                            \
        for (int j = 0; j < (g).ny; j++)
#define BLOCK_WAIT()
static inline real of_row(real lane) { return lane; }
static inline real largest_of_row(real lane) { return lane; }

// Terms of the sums of a run; their sum by the same tree as over the lanes of a warp, the first
// three stages in vectors: of the lanes one by one, the compiler would make scalars.
struct Segment {
    real lane[SEGMENT] __attribute__((aligned(64)));
    __attribute__((always_inline)) real& operator[](int l) { return lane[l]; }
};
#define PACK 8                     // numbers in the longest vector registers
typedef real Wide __attribute__((vector_size(PACK * sizeof(real)), may_alias));
static inline __attribute__((always_inline)) real sum_of_run(Segment& terms, int count)
{
    for (int l = count; l < SEGMENT; l++) terms.lane[l] = 0;
    const Wide* part = reinterpret_cast<const Wide*>(terms.lane);
    const Wide sum = (part[0] + part[2]) + (part[1] + part[3]);
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

INLINE real read_again(const real* from) { return *from; }
// Bring a number that will soon be read or written into the cache; it need not exist.
INLINE void fetch_ahead(const void* at) { __builtin_prefetch(at, 1); }

// One number of each of PACK lanes, an aligned array.
INLINE Wide& wide(real* lanes) { return *reinterpret_cast<Wide*>(lanes); }
INLINE const Wide& wide(const real* lanes) { return *reinterpret_cast<const Wide*>(lanes); }
// Before functions whose lanes are a few registers: GCC shall not call memset for them.
#define EKM_FEW_LANES EKM_PRAGMA(GCC optimize("no-tree-loop-distribute-patterns"))
#ifndef LANES
#define LANES 128
#endif
#define EKM_UNROLL
#define ALIGNED __attribute__((aligned(64)))
#define STRIPS 8
#define LAYERS 16
#ifndef AT_ONCE
#define AT_ONCE 1                  // tiles that a thread takes at a time
#endif
#define EKM_LANES(l, count)                                                     \
    EKM_PRAGMA(omp simd)                                                        \
    for (int l = 0; l < (count + PACK - 1) / PACK * PACK; l++)
#define EKM_ENTRIES(l, count) for (int l = 0; l < (count); l++)
#define EKM_TILES(t, g)                                                         \
    EKM_PRAGMA(omp parallel for schedule(dynamic, AT_ONCE) if (worth_threads(g))) \
    for (int number = 0; number < tiles(g); number++)                           \
        for (Tile t = tile(number, g); t.ni; t.ni = 0)

#endif

#define EKM_VOXELS(i, j, k, g) EKM_BOX(i, j, k, g, 0)
#define EKM_SEGMENTS(s, g) for (int s = 0; s < runs(g); s++)

struct Grid {
    int nx, ny, nz, ghost;         // voxels without ghosts; ghost layers on every side
    int segment;                   // voxels along x that a sum adds up first
    double dx, dy, dz;             // spacing [m]
};

// Smallest grid for which threads pay: below about 30 000 voxels starting them takes longer than
// the loop itself (measured); kernels with more work per voxel than a stencil set -DMANY.
#ifndef MANY
#define MANY 30000
#endif
INLINE bool worth_threads(const Grid& g) { return Offset(g.nx) * g.ny * g.nz > MANY; }

// Distance in memory between neighbours along y and z (along x it is 1).
INLINE Offset row(const Grid& g) { return g.nx + 2 * g.ghost; }
INLINE Offset layer(const Grid& g) { return row(g) * (g.ny + 2 * g.ghost); }

// Number of entries of one padded voxel array: from one species to the next.
INLINE Offset volume(const Grid& g) { return layer(g) * (g.nz + 2 * g.ghost); }

// Index of voxel (i, j, k) in a padded array; (0, 0, 0) is the first voxel inside the ghosts.
INLINE Offset at(int i, int j, int k, const Grid& g)
{
    return (k + g.ghost) * layer(g) + (j + g.ghost) * row(g) + (i + g.ghost);
}

// Along x: the number of segments, of runs of SEGMENT voxels, and the voxels of one run.
INLINE int segments(const Grid& g) { return (g.nx + g.segment - 1) / g.segment; }
INLINE int runs(const Grid& g) { return (g.nx + SEGMENT - 1) / SEGMENT; }
INLINE int length_of_run(int s, const Grid& g)
{
    const int left = g.nx - s * SEGMENT;
    return left < SEGMENT ? left : SEGMENT;
}

INLINE real larger(real a, real b) { return a > b ? a : b; }
INLINE real smaller(real a, real b) { return a < b ? a : b; }
INLINE real magnitude(real a) { return a < 0 ? -a : a; }

// a b + c, fused where the processor can: for sums whose bits matter, since the compiler would fuse
// in one loop and not in the next.
INLINE real fused(real a, real b, real c)
{
#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
    return fma(a, b, c);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

// Scratch array of a strip; a row of voxels has one more face than voxels.
typedef real Lanes[LANES + PACK] ALIGNED;

// A block of voxels from (i, j, k) on, ni x nj x nk of them.
struct Tile {
    int i, j, k, ni, nj, nk;
};

// Number of parts, of `length` voxels at most and as equal as possible, of n voxels.
INLINE int parts(int n, int length) { return (n + length - 1) / length; }

INLINE int tiles(const Grid& g)
{
    return parts(g.nx, LANES) * parts(g.ny, STRIPS) * parts(g.nz, LAYERS);
}

// First voxel of part x out of `count`.
INLINE int cut(int n, int x, int count) { return int(Offset(n) * x / count); }

INLINE Tile tile(int number, const Grid& g)
{
    const int nx = parts(g.nx, LANES), ny = parts(g.ny, STRIPS), nz = parts(g.nz, LAYERS);
    const int x = number % nx, y = number / nx % ny, z = number / nx / ny;
    const int i = cut(g.nx, x, nx), j = cut(g.ny, y, ny), k = cut(g.nz, z, nz);
    return {i, j, k, cut(g.nx, x + 1, nx) - i, cut(g.ny, y + 1, ny) - j, cut(g.nz, z + 1, nz) - k};
}

// The same tile, extended to the faces of `axis` on the lower side of the box if it lies there.
INLINE Tile with_border(Tile t, int axis)
{
    int& first = axis == 0 ? t.k : axis == 1 ? t.j : t.i;
    int& count = axis == 0 ? t.nk : axis == 1 ? t.nj : t.ni;
    const int beyond = first == 0;
    first -= beyond, count += beyond;
    return t;
}

// Smallest divisor that gives a finite quotient.
constexpr real SMALLEST = real(sizeof(real) == 8 ? double(1e-300) : double(1e-37));

// Bits of a number and back: sign, 11 of the exponent, 52 of the mantissa.
#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
INLINE Offset bits_of(double x) { return __double_as_longlong(x); }
INLINE double number_of(Offset bits) { return __longlong_as_double(bits); }
#else
INLINE Offset bits_of(double x) { Offset bits; __builtin_memcpy(&bits, &x, 8); return bits; }
INLINE double number_of(Offset bits) { double x; __builtin_memcpy(&x, &bits, 8); return x; }
#endif

// Power of two whose product with x lies between 1 and 2; x >= 0, not subnormal.
INLINE real inverse_power_of_two(real x)
{
#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
    return sizeof(real) == 8
         ? real(__longlong_as_double(0x7FE0000000000000 - (__double_as_longlong(x)
                                                           & 0x7FF0000000000000)))
         : real(__int_as_float(0x7F000000 - (__float_as_int(x) & 0x7F800000)));
#else
    Offset bits;
    static_assert(sizeof x == sizeof bits, "on the host real is double");
    __builtin_memcpy(&bits, &x, sizeof x);
    bits = 0x7FE0000000000000 - (bits & 0x7FF0000000000000);
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

// x, its sign changed where `way` is negative.
INLINE real along(real x, real way)
{
#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
    return way < 0 ? -x : x;
#else
    unsigned long long bits, sign;
    __builtin_memcpy(&bits, &x, sizeof x);
    __builtin_memcpy(&sign, &way, sizeof way);
    bits ^= sign & 0x8000000000000000;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

// Prefetch of `count` numbers.
INLINE void fetch(const real* from, int count)
{
#if !defined(__CUDACC_RTC__) && !defined(__CUDACC__)
    for (int l = 0; l < count; l += PACK)
        __builtin_prefetch(from + l, 0, 2);
#endif
}
