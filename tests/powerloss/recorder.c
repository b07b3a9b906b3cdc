/* SPDX-License-Identifier: MIT
 *
 * Preloaded: writes down, in their order, the changes of files below POWERLOSS_FOLDER
 * and what was asked to be durable, so that powerloss.py can rebuild what a disk may
 * hold after the power failed at any moment. One lock is held around each call and its
 * record. One process at a time: the log is POWERLOSS_LOG.
 *
 * With POWERLOSS_IGNORE_SYNC nothing is ever made durable: the disk that lies.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* What powerloss.py reads. */
enum kind { OPENED = 1, WRITTEN, TRUNCATED, SYNCED, UNLINKED, CREATED };

struct record {
    uint32_t kind;
    uint32_t path_len; /* of the path that follows */
    uint64_t offset;   /* of the data, or the new size */
    uint64_t data_len; /* of the data that follows the path */
};

#define FDS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *paths[FDS]; /* of open files that are watched */
static int log_fd = -1;

#define REAL(type, name, ...)                                                          \
    static type (*real)(__VA_ARGS__);                                                  \
    if (!real)                                                                         \
    *(void **)&real = dlsym(RTLD_NEXT, name)

static void
put(const void *bytes, size_t len)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    const char *at = bytes;
    while (len > 0) {
        ssize_t written = real(log_fd, at, len);
        if (written < 0)
            abort();
        at += written;
        len -= (size_t)written;
    }
}

/* Under the lock. */
static void
note(enum kind kind, const char *path, uint64_t offset, const void *data, size_t len)
{
    struct record record = {(uint32_t)kind, (uint32_t)strlen(path), offset, len};
    put(&record, sizeof(record));
    put(path, record.path_len);
    put(data, len);
}

static bool
is_watched(const char *path, char absolute[PATH_MAX])
{
    const char *folder = getenv("POWERLOSS_FOLDER"), *log = getenv("POWERLOSS_LOG");
    if (!folder || !log || !realpath(path, absolute))
        return false;
    size_t len = strlen(folder);
    return strncmp(absolute, folder, len) == 0 &&
           (absolute[len] == '/' || absolute[len] == '\0');
}

/* Under the lock. */
static void
note_opened(int fd, const char *path, bool created)
{
    char absolute[PATH_MAX];
    if (fd < 0 || fd >= FDS || !is_watched(path, absolute))
        return;
    if (log_fd < 0) {
        REAL(int, "open", const char *, int, ...);
        log_fd = real(getenv("POWERLOSS_LOG"),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_fd < 0)
            abort();
    }
    paths[fd] = strdup(absolute);
    note(created ? CREATED : OPENED, absolute, 0, NULL, 0);
}

static int
open_noted(const char *path, int flags, mode_t mode)
{
    REAL(int, "open64", const char *, int, ...);
    struct stat ignored;
    pthread_mutex_lock(&lock);
    bool created = (flags & O_CREAT) && stat(path, &ignored) != 0;
    int fd = real(path, flags, mode), error = errno;
    note_opened(fd, path, created);
    if (fd >= 0 && fd < FDS && paths[fd] && (flags & O_TRUNC))
        note(TRUNCATED, paths[fd], 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define MODE_OF(flags)                                                                 \
    mode_t mode = 0;                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                             \
        va_list rest;                                                                  \
        va_start(rest, flags);                                                         \
        mode = va_arg(rest, mode_t);                                                   \
        va_end(rest);                                                                  \
    }

int
open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_noted(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return open_noted(path, flags, mode);
}

int
close(int fd)
{
    REAL(int, "close", int);
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS && paths[fd]) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    int result = real(fd), error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static const char *
path_of(int fd)
{
    return fd >= 0 && fd < FDS ? paths[fd] : NULL;
}

/* Under the lock. */
static void
note_written(int fd, const void *data, ssize_t written, off_t offset)
{
    if (written > 0 && path_of(fd))
        note(WRITTEN, path_of(fd), (uint64_t)offset, data, (size_t)written);
}

ssize_t
write(int fd, const void *data, size_t len)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    pthread_mutex_lock(&lock);
    off_t offset = path_of(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t written = real(fd, data, len);
    int error = errno;
    note_written(fd, data, written, offset);
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}

static ssize_t
write_at(int fd, const void *data, size_t len, off_t offset)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    pthread_mutex_lock(&lock);
    ssize_t written = real(fd, data, len, offset);
    int error = errno;
    note_written(fd, data, written, offset);
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return write_at(fd, data, len, offset);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off_t offset)
{
    return write_at(fd, data, len, offset);
}

static int
truncate_noted(int fd, off_t size)
{
    REAL(int, "ftruncate64", int, off_t);
    pthread_mutex_lock(&lock);
    int result = real(fd, size), error = errno;
    if (result == 0 && path_of(fd))
        note(TRUNCATED, path_of(fd), (uint64_t)size, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int
ftruncate(int fd, off_t size)
{
    return truncate_noted(fd, size);
}

int
ftruncate64(int fd, off_t size)
{
    return truncate_noted(fd, size);
}

/* Files and folders alike. The real call is left out: what counts is what was asked. */
static int
sync_noted(int fd)
{
    pthread_mutex_lock(&lock);
    if (path_of(fd) && !getenv("POWERLOSS_IGNORE_SYNC"))
        note(SYNCED, path_of(fd), 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return 0;
}

int
fsync(int fd)
{
    return sync_noted(fd);
}

int
fdatasync(int fd)
{
    return sync_noted(fd);
}

int
unlink(const char *path)
{
    REAL(int, "unlink", const char *);
    char absolute[PATH_MAX];
    pthread_mutex_lock(&lock);
    bool watched = log_fd >= 0 && is_watched(path, absolute);
    int result = real(path), error = errno;
    if (result == 0 && watched)
        note(UNLINKED, absolute, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
