// Runs what tests/helpers/ptx_to_cpp.py makes of PTX: its arithmetic, and who touches what.
// With WATCH every access to global memory is looked at: races between threads of a block (without
// a barrier between them) and between blocks, places outside of all arrays, misaligned ones, and
// the read-only path on memory that the same launch writes.
#include "launch.h"
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <unordered_map>

// A value's bits as those of another type of its size; numbers of other sizes are converted.
template <typename To, typename From> static inline To as(From value)
{
    if constexpr (sizeof(To) == sizeof(From))
        return device::bits<To>(value);
    else
        return (To)value;
}
template <typename T> static inline T load(uint64_t from)
{
    T out;
    memcpy(&out, (const void*)from, sizeof out);
    return out;
}
template <typename T> static inline void store(uint64_t to, T value)
{
    memcpy((void*)to, &value, sizeof value);
}
template <typename T> static inline auto wrap(T v) { return (std::make_unsigned_t<T>)v; }
template <typename T> static inline T left(T v, unsigned count)
{
    return count < 8 * sizeof v ? T(wrap(v) << count) : 0;
}
template <typename T> static inline T inserted(T bits, T into, unsigned begin, unsigned length)
{
    T result = into;
    for (unsigned n = 0; n < length && begin + n < 8 * sizeof(T); n++) {
        const T one = T(1) << (begin + n);
        result = T(bits >> n & 1 ? result | one : result & ~one);
    }
    return result;
}
template <typename T> static inline T right(T v, unsigned count)
{
    if (count < 8 * sizeof v)
        return v >> count;
    return v < 0 ? -1 : 0;
}
template <typename T> static inline T clamped(double v)
{
    const double least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
    return std::isnan(v) ? 0 : v <= least ? std::numeric_limits<T>::min()
           : v >= most ? std::numeric_limits<T>::max() : (T)v;
}
// With COUNT the operations of all launches so far are counted: of float64, and of float32.
#if COUNT
static unsigned long long operations[2];
extern "C" unsigned long long counted(int single) { return operations[single]; }
#define FLOPS(single, number) operations[single] += number;
#else
#define FLOPS(single, number)
#endif
static inline float flush(float x)
{
    return std::fabs(x) < 1.17549435e-38f ? std::copysign(0.0f, x) : x;
}
// Upper half of the reciprocal's bits, as rcp.approx.ftz.f64; the lower half is zero.
static inline double reciprocal_approx(double x)
{
    const double r = 1 / x;
    return std::isnan(r) ? r : device::bits<double>(device::bits<uint64_t>(r) & ~0xFFFFFFFFull);
}
// The other lane's bits, by way of launch.h's exchange of doubles.
static inline uint32_t shuffle(uint32_t value, uint32_t far)
{
    return (uint32_t)__shfl_xor_sync(~0u, (double)value, (int)far);
}

#if WATCH
namespace watched {

struct Range {
    uint64_t low, high;
};
// Who wrote and read a word last; `block` and `thread` count from 1, 0 is nobody.
struct Word {
    unsigned writer_block, writer, writer_phase;
    unsigned reader_block, reader, reader_phase;
    bool many_readers, many_blocks, other_value, read_only;
};
static std::vector<Range> arrays;
static std::unordered_map<uint64_t, Word> words;
static std::string found;
alignas(16) static unsigned char waste[32];
static unsigned phases[device::MOST], phase_block;      // barriers that a thread has passed

static void say(const char* what, int site)
{
    const std::string line = std::string(what) + " at access " + std::to_string(site) + "; ";
    if (found.size() < 500 && found.find(line) == std::string::npos)
        found += line;
}
static unsigned this_block()
{
    const unsigned block = 1 + blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    if (block != phase_block)
        memset(phases, 0, sizeof phases);
    return phase_block = block;
}
static unsigned this_thread()
{
    return 1 + threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}

static bool allowed(uint64_t at, int bytes, int site)
{
    if (at % bytes)
        say("misaligned", site);
    for (const Range& r : arrays)
        if (at >= r.low && at + bytes <= r.high)
            return true;
    say("outside of all arrays", site);
    return false;
}

// Words of 4 bytes; flags, which are smaller, have keys of their own.
template <typename Use> static void each_word(uint64_t at, int bytes, Use use)
{
    for (int n = 0; n < (bytes < 4 ? 1 : bytes); n += 4)
        use(words[bytes < 4 ? at | 1ull << 63 : at + n]);
}
// The place to use: that one, or the waste where it lies outside of all arrays.
static uint64_t reads(uint64_t at, int bytes, bool read_only, int site)
{
    if (!allowed(at, bytes, site))
        return (uint64_t)waste;
    const unsigned block = this_block(), me = this_thread(), phase = phases[me - 1];
    each_word(at, bytes, [&](Word& w) {
        const bool before = w.writer_block == block && (w.writer == me || w.writer_phase < phase);
        if (w.writer && read_only)
            say("read-only load of what is written", site);
        if (w.writer && !before)
            say("race: reads what another thread writes", site);
        if (w.reader && w.reader_block != block)
            w.many_blocks = true;
        if (w.reader_block != block || w.reader_phase != phase)
            w.many_readers = false;
        else if (w.reader != me)
            w.many_readers = true;
        w.reader_block = block, w.reader = me, w.reader_phase = phase;
        w.read_only |= read_only;
    });
    return at;
}
static uint64_t writes(uint64_t at, int bytes, bool, int site)
{
    if (!allowed(at, bytes, site))
        return (uint64_t)waste;
    const unsigned block = this_block(), me = this_thread(), phase = phases[me - 1];
    each_word(at, bytes, [&](Word& w) {
        const bool after = w.reader_block == block && !w.many_blocks &&
                           (w.reader_phase < phase || (w.reader == me && !w.many_readers));
        if (w.read_only)
            say("writes what a read-only load reads", site);
        if (w.reader && !after)
            say("race: writes what another thread reads", site);
        w.other_value = w.writer && !(w.writer_block == block &&
                                      (w.writer == me || w.writer_phase < phase));
        w.writer_block = block, w.writer = me, w.writer_phase = phase;
    });
    return at;
}

}   // namespace watched
using watched::reads;
using watched::writes;

// Two threads may write the same value to one place, and no other.
template <typename T> static inline void store_global(uint64_t to, T value)
{
    using namespace watched;
    each_word(to, sizeof value, [&](Word& w) {
        if (w.other_value && memcmp((void*)to, &value, sizeof value))
            say("race: two threads write different values", 0);
    });
    store(to, value);
}
static inline void barrier()
{
    watched::this_block();
    device::wait(device::block);
    watched::phases[watched::this_thread() - 1]++;
}
extern "C" void watch(int count, const uint64_t* ranges)
{
    watched::arrays.clear(), watched::words.clear(), watched::found.clear();
    watched::phase_block = 0;
    for (int n = 0; n < count; n++)
        watched::arrays.push_back({ranges[2 * n], ranges[2 * n + 1]});
}
extern "C" const char* seen() { return watched::found.c_str(); }
#else
static inline uint64_t reads(uint64_t at, int, bool, int) { return at; }
static inline uint64_t writes(uint64_t at, int, bool, int) { return at; }
template <typename T> static inline void store_global(uint64_t to, T value) { store(to, value); }
static inline void barrier() { device::wait(device::block); }
#endif
