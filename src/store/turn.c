/* SPDX-License-Identifier: Apache-2.0 */
#include "store/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"

enum { BYTE_GATE, BYTE_LOCK };
enum { NAP_MIN_NS = 50 * 1000, NAP_MAX_NS = 2000 * 1000 };

int turn_open(struct turn *t, const char *path, struct err *err)
{
    t->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (t->fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot open the lock file %s", path);
    return 0;
}

void turn_close(struct turn *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
}

/* Open file description locks: they belong to this descriptor, not to the whole process. */
static int set_byte(struct turn *t, short type, off_t byte)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(t->fd, F_OFD_SETLK, &lock);
}

/* Polls, because a blocking lock cannot be given a deadline without signals. */
static int wait_byte(struct turn *t, off_t byte, int64_t deadline_ns, struct err *err)
{
    long nap = NAP_MIN_NS;
    while (set_byte(t, F_WRLCK, byte) < 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return err_sys(err, ERR_IO, errno, "cannot lock the state folder");
        if (clock_mono_ns() > deadline_ns) {
            int r = err_set(err, ERR_DRIFT, "another process keeps the state folder locked");
            err_hint(err, "end the other edgectl that uses this state folder, or name another "
                          "folder with --state");
            return r;
        }
        nanosleep(&(struct timespec){.tv_nsec = nap}, NULL);
        nap = nap < NAP_MAX_NS ? nap * 2 : NAP_MAX_NS;
    }
    return 0;
}

int turn_lock(struct turn *t, int64_t timeout_ms, struct err *err)
{
    int64_t deadline = clock_mono_ns() + timeout_ms * 1000000;
    int r = wait_byte(t, BYTE_GATE, deadline, err);
    if (r < 0)
        return r;
    r = wait_byte(t, BYTE_LOCK, deadline, err);
    set_byte(t, F_UNLCK, BYTE_GATE);
    return r;
}

void turn_unlock(struct turn *t)
{
    set_byte(t, F_UNLCK, BYTE_LOCK);
}
