/* SPDX-License-Identifier: MIT
 *
 * Preloaded, it ends a process at a named point of its work.
 *
 *   WHS_FAILPOINT=mid-send:17         at the 17th time: SIGKILL
 *   WHS_FAILPOINT=after-claim:1:stop  at the first: SIGSTOP
 *   WHS_FAILPOINT_FROM=FILE           what is passed before this is there does not
 * count WHS_FAILPOINT_HIT=FILE            is made just before
 *   WHS_FAILPOINT_DATABASE=FILE       writes to it are the point in-checkpoint: in WAL
 *                                     mode nothing else writes there
 *
 * The points stand in the test build of the extension (csrc/core/failpoint.h), in
 * tests/support/failpoints.py, and here.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char name[64];
    unsigned nth;
    int signal;
    char database[4096];
} armed;
static atomic_uint passed;

__attribute__((constructor)) static void
arm(void)
{
    const char *wanted = getenv("WHS_FAILPOINT");
    const char *database = getenv("WHS_FAILPOINT_DATABASE");
    char action[8] = "kill";
    if (!wanted || sscanf(wanted, "%63[^:]:%u:%7s", armed.name, &armed.nth, action) < 2)
        return;
    armed.signal = strcmp(action, "stop") == 0 ? SIGSTOP : SIGKILL;
    snprintf(armed.database, sizeof(armed.database), "%s", database ? database : "");
}

static bool
counts(void)
{
    const char *from = getenv("WHS_FAILPOINT_FROM");
    return !from || access(from, F_OK) == 0;
}

void whs_failpoint(const char *name);

void
whs_failpoint(const char *name)
{
    if (strcmp(name, armed.name) != 0 || !counts() ||
        atomic_fetch_add(&passed, 1) + 1 != armed.nth)
        return;
    const char *hit = getenv("WHS_FAILPOINT_HIT");
    int fd = hit ? open(hit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd >= 0)
        close(fd);
    kill(getpid(), armed.signal);
}

/* --- SQLite's writes. --- */

static bool
is_database(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    if (len < 0)
        return false;
    path[len] = '\0';
    return strcmp(path, armed.database) == 0;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    if (armed.database[0] && is_database(fd))
        whs_failpoint("in-checkpoint");
    return real(fd, bytes, count, at);
}
