/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include "base/random.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t real_mono(void *env)
{
    (void)env;
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t real_wall(void *env)
{
    (void)env;
    return read_clock(CLOCK_REALTIME);
}

static void real_random(void *env, void *to, size_t len)
{
    (void)env;
    random_real(to, len);
}

const struct clock_source clock_real = {real_mono, real_wall, real_random, NULL, NULL};
static struct clock_source source = {real_mono, real_wall, real_random, NULL, NULL};

void clock_install(const struct clock_source *s)
{
    source = s ? *s : clock_real;
}

int64_t clock_mono_ns(void)
{
    return source.mono_ns(source.env);
}

int64_t clock_wall_ns(void)
{
    return source.wall_ns(source.env);
}

uint32_t clock_boot(void)
{
    char id[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, id, sizeof id - 1) : -1;
    if (fd >= 0)
        close(fd);
    uint32_t h = 2166136261u; /* FNV-1a */
    for (ssize_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)id[i]) * 16777619u;
    return len > 0 ? h : 0;
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (source.sleep)
        source.sleep(source.env, ms * 1000000);
    else
        nanosleep(&t, NULL);
}

bool clock_jumps(void)
{
    return source.sleep != NULL;
}

void random_bytes(void *to, size_t len)
{
    source.random(source.env, to, len);
}

uint64_t random_u64(void)
{
    uint64_t n;
    random_bytes(&n, sizeof n);
    return n;
}

int64_t clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
