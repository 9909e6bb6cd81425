/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel knows of TCP sockets beside our own: who listens on a port, and whether the
 * other end of a local connection is still open. Linux only, as edgectl is. */
#ifndef EDGECTL_SERVE_SOCKET_TABLE_H
#define EDGECTL_SERVE_SOCKET_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Who listens on that TCP port, from /proc: fills `command` (its name; "" if unknown) and returns
 * its pid; 0 if nobody does, -1 if somebody does whom we may not see. */
pid_t socket_table_listener(uint16_t port, char *command, size_t command_cap);

/* Has the peer of a connected socket closed altogether (nobody could read an answer), rather than
 * at most shut down its sending direction? Sure when the peer is on this machine, as the
 * kernel can be asked for its socket. For others false until the connection breaks. */
bool socket_table_peer_closed(int fd);

#endif
