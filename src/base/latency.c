/* SPDX-License-Identifier: Apache-2.0 */
#include "base/latency.h"

enum { PER_DECADE = 10 };

static const int64_t decade[PER_DECADE] = {100, 120, 150, 200, 250, 300, 400, 500, 600, 800};

int64_t latency_edge_us(int i)
{
    int64_t edge = decade[i % PER_DECADE];
    for (int d = i / PER_DECADE; d > 0; d--)
        edge *= 10;
    return edge;
}

int latency_bucket(int64_t took_us)
{
    int base = 0;
    int64_t scale = 1;
    /* The decade first, so that a request costs a few steps only. */
    while (base + PER_DECADE < LATENCY_EDGES && took_us > decade[PER_DECADE - 1] * scale) {
        base += PER_DECADE;
        scale *= 10;
    }
    int i = base;
    while (i < LATENCY_EDGES && took_us > latency_edge_us(i))
        i++;
    return i;
}

int latency_nearest_edge(int64_t us)
{
    int above = latency_bucket(us);
    if (above == 0)
        return 0;
    if (above == LATENCY_EDGES)
        return LATENCY_EDGES - 1;
    return us - latency_edge_us(above - 1) <= latency_edge_us(above) - us ? above - 1 : above;
}
