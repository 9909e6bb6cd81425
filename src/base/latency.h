/* SPDX-License-Identifier: Apache-2.0 */
/* Latency histograms with fixed edges, the same everywhere, so that those of two versions, and of
 * two moments, can be compared bucket by bucket. Ten edges a decade, at round numbers, from 100 us
 * to 100 s: what people write in a manifest (250ms, 1.5s) is an edge. */
#ifndef EDGECTL_BASE_LATENCY_H
#define EDGECTL_BASE_LATENCY_H

#include <stdint.h>

enum { LATENCY_EDGES = 61, LATENCY_BUCKETS = LATENCY_EDGES + 1 };

/* Edge i in us: 100, 120, 150, 200, ... 100,000,000. Bucket i counts what took more than edge i-1
 * and at most edge i; the last bucket what took more than the last edge. */
int64_t latency_edge_us(int i);
int latency_bucket(int64_t took_us);
/* The edge nearest to `us`; its index. */
int latency_nearest_edge(int64_t us);

#endif
