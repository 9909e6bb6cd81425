/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/socket_table.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"

static void fclose_p(FILE **f)
{
    if (*f)
        fclose(*f);
}

static void closedir_p(DIR **d)
{
    if (*d)
        closedir(*d);
}

/* --- who listens --- */

enum { TCP_STATE_LISTEN = 10 };         /* as in the "st" column of /proc/net/tcp, in hex 0A */

/* Inode of a socket listening on that port, 0 if there is none. */
static unsigned long listening_inode(const char *table, uint16_t port)
{
    cleanup(fclose_p) FILE *f = fopen(table, "re");
    char line[512];
    while (f && fgets(line, sizeof line, f)) {
        unsigned local, state;
        unsigned long inode;
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu",
                   &local, &state, &inode) == 3 &&
            local == port && state == TCP_STATE_LISTEN)
            return inode;
    }
    return 0;
}

static bool process_holds(const char *pid, unsigned long inode)
{
    char path[300], want[64], link[64];
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    snprintf(want, sizeof want, "socket:[%lu]", inode);
    cleanup(closedir_p) DIR *dir = opendir(path);
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);
        if (n <= 0)
            continue;
        link[n] = '\0';
        if (strcmp(link, want) == 0)
            return true;
    }
    return false;
}

static void read_command(const char *pid, char *command, size_t cap)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    cleanup(fclose_p) FILE *f = fopen(path, "re");
    if (!f || !fgets(command, (int)cap, f))
        command[0] = '\0';
    command[strcspn(command, "\n")] = '\0';
}

pid_t socket_table_listener(uint16_t port, char *command, size_t command_cap)
{
    command[0] = '\0';
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    if (!inode)
        return 0;
    cleanup(closedir_p) DIR *proc = opendir("/proc");
    struct dirent *e;
    while (proc && (e = readdir(proc))) {
        if (!isdigit((unsigned char)e->d_name[0]) || !process_holds(e->d_name, inode))
            continue;
        read_command(e->d_name, command, command_cap);
        return (pid_t)strtol(e->d_name, NULL, 10);
    }
    return -1;
}

/* --- the other end --- */

enum answer { PEER_UNKNOWN, PEER_OPEN, PEER_CLOSED };

static void put_address(const struct sockaddr_storage *a, __be32 *to, __be16 *port)
{
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;
        memcpy(to, &in->sin_addr, 4);
        *port = in->sin_port;
    } else {
        const struct sockaddr_in6 *in6 = (const void *)a;
        memcpy(to, &in6->sin6_addr, 16);
        *port = in6->sin6_port;
    }
}

/* Asks for one socket by its addresses (sock_diag(7)). */
static enum answer ask_kernel(const struct sockaddr_storage *local,
                              const struct sockaddr_storage *peer)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } q = {
        .head = {.nlmsg_len = sizeof q, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .req = {.sdiag_family = (uint8_t)local->ss_family, .sdiag_protocol = IPPROTO_TCP,
                .idiag_states = ~0U, .id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
    };
    put_address(peer, q.req.id.idiag_src, &q.req.id.idiag_sport);
    put_address(local, q.req.id.idiag_dst, &q.req.id.idiag_dport);
    cleanup(close_p) int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                     NETLINK_SOCK_DIAG);
    union {
        struct nlmsghdr head;
        char room[1024];
    } a;
    if (fd < 0 || send(fd, &q, sizeof q, 0) < 0)
        return PEER_UNKNOWN;
    /* The kernel answers inside send: nothing to wait for. */
    ssize_t n = recv(fd, &a, sizeof a, 0);
    if (n < (ssize_t)sizeof a.head)
        return PEER_UNKNOWN;
    if (a.head.nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *e = NLMSG_DATA(&a.head);
        return e->error == -ENOENT ? PEER_CLOSED : PEER_UNKNOWN;
    }
    if (a.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return PEER_UNKNOWN;
    const struct inet_diag_msg *m = NLMSG_DATA(&a.head);
    return m->idiag_inode ? PEER_OPEN : PEER_CLOSED; /* a socket that no process holds has none */
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    __be32 x[4] = {0}, y[4] = {0};
    __be16 port;
    put_address(a, x, &port);
    put_address(b, y, &port);
    return memcmp(x, y, sizeof x) == 0;
}

static bool on_this_machine(const struct sockaddr_storage *local,
                            const struct sockaddr_storage *peer)
{
    __be32 x[4] = {0};
    __be16 port;
    put_address(peer, x, &port);
    if (peer->ss_family == AF_INET)
        return (ntohl(x[0]) >> 24) == 127 || same_address(local, peer);
    const struct in6_addr *six = (const void *)x;
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127) ||
           same_address(local, peer);
}

bool socket_table_peer_closed(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_state == TCP_CLOSE)
        return true;
    struct sockaddr_storage local, peer;
    socklen_t local_len = sizeof local, peer_len = sizeof peer;
    if (getsockname(fd, (struct sockaddr *)&local, &local_len) < 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
        return true;
    /* Only our own kernel's sockets can be looked up; another machine's would be "not found". */
    return on_this_machine(&local, &peer) && ask_kernel(&local, &peer) == PEER_CLOSED;
}
