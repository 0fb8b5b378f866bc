// Emulation of a kernel launch on the host: NVRTC text, with blocks and threads one after another.
// Blocks, and the threads of a block, come in an order by chance, drawn anew for every launch.
// Threads that wait for each other (shuffles, __syncthreads) are contexts of their own, resumed in
// turn; on a deadlock the program aborts with a message. A context is made once and serves all
// later blocks; _setjmp and _longjmp change between them without a call of the system, and their
// check for jumps within one stack, which these are not, is left out.
#undef _FORTIFY_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __CUDACC_RTC__ 1
#define __global__
#define __device__
#define __forceinline__ inline

struct Dim {
    unsigned x, y, z;
};
static Dim gridDim, blockDim, blockIdx, threadIdx;

namespace device {

struct Barrier {
    int arrived = 0, phase = 0, expected = 0;
};
struct Thread {
    std::vector<char> stack;
    jmp_buf place;
    Dim index;
    bool done;
};
constexpr unsigned MOST = 1024;          // threads of a block
static jmp_buf scheduler;
static Thread threads[MOST];
static std::vector<Barrier> warps;
static std::vector<double> slots;
static Barrier block;
static int now = -1, moved = 0;          // the running thread; -1: threads cannot wait
static void (*body)(void**);
static void** arguments;
static unsigned long long chance = 0;    // 0: in order
static std::vector<unsigned> order;      // of the threads of a block

// Numbers below count in an order by chance (Fisher and Yates; xorshift).
static std::vector<unsigned> shuffled(unsigned count)
{
    std::vector<unsigned> numbers(count);
    for (unsigned n = 0; n < count; n++)
        numbers[n] = n;
    for (unsigned n = count; chance && n > 1; n--) {
        chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
        std::swap(numbers[n - 1], numbers[chance % n]);
    }
    return numbers;
}

static Dim place(unsigned n, const Dim& in)
{
    return {n % in.x, n / in.x % in.y, n / in.x / in.y};
}

// Let the scheduler go on, until it resumes this thread.
static void pause(Thread& t)
{
    if (_setjmp(t.place) == 0)
        _longjmp(scheduler, 1);
}

static void wait(Barrier& barrier)
{
    if (now < 0) {
        fprintf(stderr, "a kernel launched without warps shuffles or waits\n");
        abort();
    }
    const int phase = barrier.phase;
    if (++barrier.arrived == barrier.expected) {
        barrier.arrived = 0;
        barrier.phase++;
        moved = 1;
        return;
    }
    while (barrier.phase == phase)
        pause(threads[now]);
}

// Of one thread: the kernel of every block that it takes part in.
static void enter()
{
    for (;;) {
        body(arguments);
        threads[now].done = true;
        moved = 1;
        pause(threads[now]);
    }
}

// Run a thread until it pauses; a new one begins on a stack of its own.
static void resume(Thread& t)
{
    if (_setjmp(scheduler))
        return;
    if (!t.stack.empty())
        _longjmp(t.place, 1);
    t.stack.resize(1 << 16);
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = t.stack.data();
    context.uc_stack.ss_size = t.stack.size();
    context.uc_link = nullptr;
    makecontext(&context, enter, 0);
    setcontext(&context);
}

// Run one block whose threads may wait for each other.
static void together()
{
    const unsigned count = blockDim.x * blockDim.y * blockDim.z;
    if (count > MOST) {
        fprintf(stderr, "a block of %u threads\n", count);
        abort();
    }
    warps.assign((count + 31) / 32, Barrier{0, 0, 32});
    slots.assign(2 * count, 0);
    block = Barrier{0, 0, int(count)};
    for (unsigned n = 0; n < count; n++) {
        threads[n].done = false;
        threads[n].index = place(n, blockDim);
    }
    for (bool all = false; !all;) {
        all = true, moved = 0;
        for (unsigned n : order) {
            if (threads[n].done)
                continue;
            now = n, threadIdx = threads[n].index;
            resume(threads[n]);
            all = all && threads[n].done;
        }
        if (!all && !moved) {
            fprintf(stderr, "threads of a block wait for each other for ever\n");
            abort();
        }
    }
    now = -1;
}

static void alone()
{
    for (unsigned n : order) {
        threadIdx = place(n, blockDim);
        body(arguments);
    }
}

template <typename... P, size_t... I>
static void spread(void (*kernel)(P...), void** given, std::index_sequence<I...>)
{
    kernel(*(P*)given[I]...);
}

template <typename... P>
static void call(void (*kernel)(P...), void** given)
{
    spread(kernel, given, std::index_sequence_for<P...>());
}

static void launch(const unsigned* g, const unsigned* b, int waits, void (*kernel)(void**),
                   void** given)
{
    gridDim = {g[0], g[1], g[2]}, blockDim = {b[0], b[1], b[2]};
    body = kernel, arguments = given;
    order = shuffled(b[0] * b[1] * b[2]);
    for (unsigned n : shuffled(g[0] * g[1] * g[2])) {
        blockIdx = place(n, gridDim);
        waits ? together() : alone();
    }
}

template <typename To, typename From>
static To bits(From value)
{
    To out;
    memcpy(&out, &value, sizeof out);
    return out;
}

}   // namespace device

extern "C" void shuffle_launches(unsigned long long seed) { device::chance = seed; }

// Lanes that go on to the next exchange write to the other half of the slots: none is two ahead.
static inline double __shfl_xor_sync(unsigned, double value, int far)
{
    using namespace device;
    const int me = now;
    double* half = slots.data() + warps[me / 32].phase % 2 * (slots.size() / 2);
    half[me] = value;
    wait(warps[me / 32]);
    return half[me ^ far];
}
static inline void __syncthreads() { device::wait(device::block); }
static inline double __longlong_as_double(long long v) { return device::bits<double>(v); }
static inline long long __double_as_longlong(double v) { return device::bits<long long>(v); }
static inline float __int_as_float(int v) { return device::bits<float>(v); }
static inline int __float_as_int(float v) { return device::bits<int>(v); }
