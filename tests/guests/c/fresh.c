/* SPDX-License-Identifier: Apache-2.0 */
/* Tells whether its sandbox is a fresh one, then spoils it: data, zeroed data, the end, stack, and
 * the stack pointer, by how it ends: /end, /exit, /trap, /deep, /sleep; /grow takes more memory
 * first. */
#define _GNU_SOURCE

#include "edge.h"
#include <unistd.h>

static char data[4096] = "as compiled";
static char zeroes[65536];
static int requests = 1;

/* The end of memory, where nothing has been allocated yet; behind it stands a word of malloc. */
enum { TOP = 1000, BEHIND = 100 };

static char *top(void) { return (char *)(__builtin_wasm_memory_size(0) * 65536 - TOP - BEHIND); }

static bool fresh(void)
{
    char sum = 0;
    for (size_t i = 0; i < sizeof(zeroes); i++)
        sum |= zeroes[i];
    for (size_t i = 0; i < TOP; i++)
        sum |= top()[i];
    return sum == 0 && requests == 1 && strcmp(data, "as compiled") == 0;
}

static void spoil(void)
{
    char stack[20000];
    requests++;
    memset(data, 0xaa, sizeof(data));
    memset(zeroes, 0xbb, sizeof(zeroes));
    memset(top(), 0x55, TOP);
    memset(stack, 0xcc, sizeof(stack));
    __asm__ volatile("" : : "r"(stack) : "memory");
}

/* Ends with the stack pointer moved. */
__attribute__((noinline)) static void deep(int n)
{
    char stack[1000];
    memset(stack, n, sizeof(stack));
    __asm__ volatile("" : : "r"(stack) : "memory");
    if (n == 0)
        _Exit(0);
    deep(n - 1);
}

int main(void)
{
    struct edge_request req = edge_request();
    const char *path = req.path;
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
    if (strcmp(path, "/grow") == 0)
        __builtin_wasm_memory_grow(0, 2);
    size_t pages = __builtin_wasm_memory_size(0);
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "%s %zu %zu\n", fresh() ? "fresh" : "used", pages, (size_t)stack);
    edge_send(&resp);
    spoil();
    if (strcmp(path, "/exit") == 0)
        _Exit(0);
    if (strcmp(path, "/trap") == 0)
        __builtin_trap();
    if (strcmp(path, "/deep") == 0)
        deep(10);
    if (strcmp(path, "/sleep") == 0)
        usleep(1000);
}
