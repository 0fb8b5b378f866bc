// Emulation of a kernel launch on the host: NVRTC text, with blocks and threads one after another.
// Threads that wait for each other (shuffles, __syncthreads) are contexts of their own, resumed in
// turn; on a deadlock the program aborts with a message.
#include <math.h>
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
    ucontext_t context;
    std::vector<char> stack;
    Dim index;
    bool done;
};
static ucontext_t scheduler;
static std::vector<Thread> threads;
static std::vector<Barrier> warps;
static std::vector<double> slots;
static Barrier block;
static int now = -1, moved = 0;          // the running thread; -1: threads cannot wait
static void (*body)(void**);
static void** arguments;

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
        swapcontext(&threads[now].context, &scheduler);
}

static void enter()
{
    body(arguments);
    threads[now].done = true;
    moved = 1;
    swapcontext(&threads[now].context, &scheduler);
}

// Run one block whose threads may wait for each other.
static void together()
{
    const unsigned count = blockDim.x * blockDim.y * blockDim.z;
    if (threads.size() < count)
        threads.resize(count);
    warps.assign((count + 31) / 32, Barrier{0, 0, 32});
    slots.assign(count, 0);
    block = Barrier{0, 0, int(count)};
    for (unsigned n = 0; n < count; n++) {
        Thread& t = threads[n];
        t.stack.resize(1 << 16);
        t.done = false;
        t.index = {n % blockDim.x, n / blockDim.x % blockDim.y, n / blockDim.x / blockDim.y};
        getcontext(&t.context);
        t.context.uc_stack.ss_sp = t.stack.data();
        t.context.uc_stack.ss_size = t.stack.size();
        t.context.uc_link = nullptr;
        makecontext(&t.context, enter, 0);
    }
    for (bool all = false; !all;) {
        all = true, moved = 0;
        for (unsigned n = 0; n < count; n++) {
            if (threads[n].done)
                continue;
            now = n, threadIdx = threads[n].index;
            swapcontext(&scheduler, &threads[n].context);
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
    for (threadIdx.z = 0; threadIdx.z < blockDim.z; threadIdx.z++)
        for (threadIdx.y = 0; threadIdx.y < blockDim.y; threadIdx.y++)
            for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++)
                body(arguments);
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
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)
                waits ? together() : alone();
}

template <typename To, typename From>
static To bits(From value)
{
    To out;
    memcpy(&out, &value, sizeof out);
    return out;
}

}   // namespace device

static inline double __shfl_xor_sync(unsigned, double value, int far)
{
    using namespace device;
    const int me = now;
    slots[me] = value;
    wait(warps[me / 32]);
    const double other = slots[me ^ far];
    wait(warps[me / 32]);
    return other;
}
static inline void __syncthreads() { device::wait(device::block); }
static inline double __longlong_as_double(long long v) { return device::bits<double>(v); }
static inline long long __double_as_longlong(double v) { return device::bits<long long>(v); }
static inline float __int_as_float(int v) { return device::bits<float>(v); }
static inline int __float_as_int(float v) { return device::bits<int>(v); }
