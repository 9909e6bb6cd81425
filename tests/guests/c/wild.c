/* SPDX-License-Identifier: Apache-2.0 */
/* Every hostcall with wild arguments: each must come back with a status, whatever it is given, and
 * touch nothing outside the memory. The path picks the pattern: /0 to /6. */
#include "check.h"

enum { ARGS_MAX = 14 };

/* The hostcalls again, under other C names, as functions of i32 only. */
#define A1 uint32_t
#define A2 A1, uint32_t
#define A3 A2, uint32_t
#define A4 A3, uint32_t
#define A5 A4, uint32_t
#define A6 A5, uint32_t
#define A7 A6, uint32_t
#define A8 A7, uint32_t
#define A9 A8, uint32_t
#define A11 A9, uint32_t, uint32_t
#define A14 A11, uint32_t, uint32_t, uint32_t
#define CALL(module, name, count)                                                    \
    __attribute__((import_module(#module), import_name(#name))) uint32_t wild_##module##_##name( \
        A##count);
#include "calls.h"
#undef CALL

static const struct call {
    const char *name;
    uint32_t count;
    void (*function)(void);
} calls[] = {
#define CALL(module, name, count) {#module "." #name, count, (void (*)(void))wild_##module##_##name},
#include "calls.h"
#undef CALL
};

static uint32_t call(const struct call *c, const uint32_t *a)
{
#define F(...) ((uint32_t(*)(__VA_ARGS__))c->function)
    switch (c->count) {
    case 1: return F(A1)(a[0]);
    case 2: return F(A2)(a[0], a[1]);
    case 3: return F(A3)(a[0], a[1], a[2]);
    case 4: return F(A4)(a[0], a[1], a[2], a[3]);
    case 5: return F(A5)(a[0], a[1], a[2], a[3], a[4]);
    case 6: return F(A6)(a[0], a[1], a[2], a[3], a[4], a[5]);
    case 7: return F(A7)(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    case 8: return F(A8)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
    case 9: return F(A9)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]);
    case 11: return F(A11)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10]);
    case 14:
        return F(A14)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11],
                      a[12], a[13]);
    }
    return 99;
}

static uint32_t random_state;

static uint32_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* Half a kilobyte that may be written to: what is not wild is in here. */
static uint64_t scratch[64];

static uint32_t random_arg(void)
{
    uint32_t end = (uint32_t)__builtin_wasm_memory_size(0) * 65536;
    switch (random_word() % 10) {
    case 0: return 0;
    case 1: return 0xFFFFFFFF;
    case 2: return end - random_word() % 16;
    case 3: return 0x80000000;
    case 4: return random_word();
    case 5: return random_word() % 16;
    case 6: return 1u << random_word() % 32;
    default: return (uint32_t)(uintptr_t)scratch + random_word() % 256;
    }
}

static void fill(uint32_t *args, unsigned pattern)
{
    uint32_t end = (uint32_t)__builtin_wasm_memory_size(0) * 65536;
    for (int i = 0; i < ARGS_MAX; i++)
        switch (pattern) {
        case 0: args[i] = 0; break;
        case 1: args[i] = 0xFFFFFFFF; break;
        case 2: args[i] = i % 2 ? 0x7FFFFFFF : end - 1; break;
        case 3: args[i] = 3; break;
        case 4: args[i] = i % 2 ? end : 0; break;
        case 5: args[i] = i % 2 ? 0xFFFFFFFE : 1; break;
        default: args[i] = random_arg(); break;
        }
}

/* What would answer the client, or wait as long as its argument says. */
static bool left_out(const char *name)
{
    return strstr(name, "send_downstream") || strstr(name, "async_io.select") ||
           strstr(name, "redirect_to_") || strstr(name, "next_request");
}

int main(void)
{
    struct edge_request req = edge_request();
    unsigned pattern = 0;
    sscanf(req.path, "/%u", &pattern);
    random_state = 2463534242u + pattern;
    int rounds = pattern < 6 ? 1 : 20;
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
            uint32_t args[ARGS_MAX];
            fill(args, pattern);
            if (left_out(calls[i].name) && pattern != 1)
                continue;
            uint32_t status = call(&calls[i], args);
            if (status > EDGE_AGAIN)
                check_print("# %s: status %u\n", calls[i].name, status);
            check_count++;
            check_failures += status > EDGE_AGAIN;
        }
    is(fastly_abi_init(UINT64_MAX), EDGE_ERROR);
    check_done();
}
