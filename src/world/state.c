/* SPDX-License-Identifier: Apache-2.0 */
#include "world/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/mem.h"
#include "crypto/hash.h"
#include "manifest/manifest.h"

#define FOLDER ".edgectl"

char *state_dir_for(const struct manifest *m, const char *override)
{
    if (override)
        return xstrdup(override);
    const char *slash = m->file ? strrchr(m->file, '/') : NULL;
    const char *name = slash ? slash + 1 : m->file;
    if (!name || strcmp(name, "edge.yaml") == 0 || strcmp(name, "fastly.toml") == 0)
        return xasprintf("%s/" FOLDER, m->dir);
    return xasprintf("%s/" FOLDER "/%s", m->dir, name);
}

char *state_dir_server(void)
{
    const char *named = getenv("EDGECTL_LOCAL"), *state = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    if (named && *named)
        return xstrdup(named);
    if (state && *state == '/')
        return xasprintf("%s/edgectl", state);
    return home && *home == '/' ? xasprintf("%s/.local/state/edgectl", home) : NULL;
}

char *state_socket_path(const char *dir)
{
    struct sockaddr_un un;
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    cleanup(free_p) char *real = realpath(dir, NULL);
    if (real)
        dir = real;
    char *path = xasprintf("%s/admin.sock", dir);
    if (strlen(path) + sizeof ".new" <= sizeof un.sun_path)
        return path;
    free(path);
    hash_bytes(dir, strlen(dir), digest);
    hash_hex(digest, hex);
    return xasprintf("/tmp/edgectl-%u-%.24s.sock", (unsigned)getuid(), hex);
}

bool state_server_answers(const char *dir)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct ucred peer;
    socklen_t len = sizeof peer;
    cleanup(free_p) char *path = state_socket_path(dir);
    cleanup(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || strlen(path) >= sizeof un.sun_path)
        return false;
    memcpy(un.sun_path, path, strlen(path) + 1);
    return connect(fd, (struct sockaddr *)&un, sizeof un) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == getuid();
}

/* 1 when it was made, 0 when it was there. */
static int make_one(const char *path, struct err *err)
{
    if (mkdir(path, 0700) == 0)
        return 1;
    if (errno != EEXIST)
        return err_sys(err, ERR_IO, errno, "cannot make the state folder %s", path);
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        int r = err_set(err, ERR_IO, "%s is not a folder", path);
        err_hint(err, "name another state folder with --state");
        return r;
    }
    return 0;
}

static int ignore_in_git(const char *dir, struct err *err)
{
    static const char text[] = "*\n";
    cleanup(free_p) char *path = xasprintf("%s/.gitignore", dir);
    cleanup(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return err_sys(err, ERR_IO, errno, "cannot write %s", path);
    return 0;
}

int state_dir_make(const char *dir, struct err *err)
{
    cleanup(free_p) char *path = xstrdup(dir);
    int made = 0;
    for (char *p = path + 1; *p && made >= 0; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        made = make_one(path, err);
        *p = '/';
    }
    if (made >= 0)
        made = make_one(path, err);
    if (made <= 0)
        return made;
    return ignore_in_git(path, err);
}
