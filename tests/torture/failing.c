/* SPDX-License-Identifier: MIT
 *
 * Preloaded into a process that works on a database: the n-th call of one kind fails,
 * once or from then on, as the process itself orders by torture_arm. Calls on files
 * below one folder count, and steps of SQLite's statements but for those that it takes
 * by itself.
 *
 * A step that fails has not been taken; what SQLite says of its connection agrees until
 * the thread goes on with another.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { NONE, WRITE, SYNC, TRUNCATE, STEP };

/* In place of an errno: half is written and said to be. */
#define SHORT (-1)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    enum kind kind;
    unsigned nth, passed, failed;
    int error; /* an errno, SHORT, or SQLite's code */
    bool for_good;
    char folder[4096];
} armed;
static _Thread_local int step_error;

#define REAL(type, name, ...)                                                          \
    static type (*real)(__VA_ARGS__);                                                  \
    if (!real)                                                                         \
    *(void **)&real = dlsym(RTLD_NEXT, name)

void torture_arm(int kind, unsigned nth, int error, int for_good, const char *folder);
unsigned torture_passed(void);
unsigned torture_failed(void);

/* Calls of this kind are counted from now on. `nth` 0: none fails. */
void
torture_arm(int kind, unsigned nth, int error, int for_good, const char *folder)
{
    pthread_mutex_lock(&lock);
    armed.kind = (enum kind)kind;
    armed.nth = nth;
    armed.error = error;
    armed.for_good = for_good != 0;
    armed.passed = armed.failed = 0;
    snprintf(armed.folder, sizeof(armed.folder), "%s", folder);
    pthread_mutex_unlock(&lock);
}

unsigned
torture_passed(void)
{
    pthread_mutex_lock(&lock);
    unsigned passed = armed.passed;
    pthread_mutex_unlock(&lock);
    return passed;
}

unsigned
torture_failed(void)
{
    pthread_mutex_lock(&lock);
    unsigned failed = armed.failed;
    pthread_mutex_unlock(&lock);
    return failed;
}

static bool
is_below(int fd, const char *folder)
{
    char link[64], path[4096];
    size_t len = strlen(folder);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, sizeof(path) - 1);
    return got > (ssize_t)len && strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* What this call has to fail with; 0: it works. `fd` is negative for a step. */
static int
take_failure(enum kind kind, int fd)
{
    int error = 0;
    pthread_mutex_lock(&lock);
    if (armed.kind == kind && (fd < 0 || is_below(fd, armed.folder))) {
        unsigned at = ++armed.passed;
        if (armed.nth && (at == armed.nth || (armed.for_good && at > armed.nth))) {
            armed.failed++;
            error = armed.error;
        }
    }
    pthread_mutex_unlock(&lock);
    return error;
}

static int
fail_with(int error)
{
    errno = error;
    return -1;
}

/* --- Files. --- */

ssize_t
write(int fd, const void *bytes, size_t count)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    int error = take_failure(WRITE, fd);
    if (error > 0)
        return fail_with(error);
    return real(fd, bytes, error == SHORT ? count / 2 : count);
}

static ssize_t
write_at(int fd, const void *bytes, size_t count, off64_t at)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    int error = take_failure(WRITE, fd);
    if (error > 0)
        return fail_with(error);
    return real(fd, bytes, error == SHORT ? count / 2 : count, at);
}

ssize_t
pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    return write_at(fd, bytes, count, at);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    return write_at(fd, bytes, count, at);
}

static int
truncate_to(int fd, off64_t size)
{
    REAL(int, "ftruncate64", int, off64_t);
    int error = take_failure(TRUNCATE, fd);
    return error > 0 ? fail_with(error) : real(fd, size);
}

int
ftruncate(int fd, off_t size)
{
    return truncate_to(fd, size);
}

int
ftruncate64(int fd, off64_t size)
{
    return truncate_to(fd, size);
}

int
fsync(int fd)
{
    REAL(int, "fsync", int);
    int error = take_failure(SYNC, fd);
    return error > 0 ? fail_with(error) : real(fd);
}

int
fdatasync(int fd)
{
    REAL(int, "fdatasync", int);
    int error = take_failure(SYNC, fd);
    return error > 0 ? fail_with(error) : real(fd);
}

/* --- SQLite, which the standard library's module is linked with. --- */

int sqlite3_open_v2(const char *name, void **connection, int flags, const char *vfs);
int sqlite3_prepare_v2(void *connection, const char *sql, int len, void **statement,
                       const char **tail);
int sqlite3_step(void *statement);
int sqlite3_errcode(void *connection);
int sqlite3_extended_errcode(void *connection);
const char *sqlite3_errmsg(void *connection);

int
sqlite3_open_v2(const char *name, void **connection, int flags, const char *vfs)
{
    REAL(int, "sqlite3_open_v2", const char *, void **, int, const char *);
    step_error = 0;
    return real(name, connection, flags, vfs);
}

int
sqlite3_prepare_v2(void *connection, const char *sql, int len, void **statement,
                   const char **tail)
{
    REAL(int, "sqlite3_prepare_v2", void *, const char *, int, void **, const char **);
    step_error = 0;
    return real(connection, sql, len, statement, tail);
}

/* Its own statements end by what finalizing says, which would be that all is well. */
static bool
is_sqlites(void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) && info.dli_fname &&
           strstr(info.dli_fname, "libsqlite3");
}

int
sqlite3_step(void *statement)
{
    REAL(int, "sqlite3_step", void *);
    step_error = is_sqlites(__builtin_return_address(0)) ? 0 : take_failure(STEP, -1);
    return step_error ? step_error : real(statement);
}

int
sqlite3_errcode(void *connection)
{
    REAL(int, "sqlite3_errcode", void *);
    return step_error ? step_error : real(connection);
}

int
sqlite3_extended_errcode(void *connection)
{
    REAL(int, "sqlite3_extended_errcode", void *);
    return step_error ? step_error : real(connection);
}

const char *
sqlite3_errmsg(void *connection)
{
    REAL(const char *, "sqlite3_errmsg", void *);
    return step_error ? "a step that was made to fail" : real(connection);
}
