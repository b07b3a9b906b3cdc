/* SPDX-License-Identifier: MIT
 *
 * What a broken call answers. An HTTP failure is not a status: it is data (see
 * outcome.h). A status says that the call itself could not do its work.
 *
 * One list makes the enum, the names and the default sentences. Python's exception
 * for each status is chosen in binding/errors.c.
 */
#ifndef WHS_STATUS_H
#define WHS_STATUS_H

#define WHS_STATUS_MAP(X)                                                              \
    X(OK, 0, "ok")                                                                     \
    X(NO_MEMORY, 1, "out of memory")                                                   \
    X(INVALID, 2, "invalid input")                                                     \
    X(UNKNOWN_RESOURCE, 3, "no catalog row knows this path")                           \
    X(NOT_FOUND, 4, "not found")                                                       \
    X(FULL, 5, "the queue is full")                                                    \
    X(CLOSED, 6, "closed")                                                             \
    X(TIMEOUT, 7, "timed out")                                                         \
    X(FORKED, 8, "this engine belongs to the parent process")                          \
    X(UNVERIFIED, 9, "the signature does not verify")                                  \
    X(CONFIGURATION, 10, "wrong configuration")                                        \
    X(SYSTEM, 11, "a system or library call failed")

enum whs_status {
#define X(name, code, message) WHS_##name = code,
    WHS_STATUS_MAP(X)
#undef X
};

/* The sentence a person reads beside a status. Fixed size: it costs nothing to fail. */
struct whs_error {
    enum whs_status status;
    char message[256];
};

#define WHS_CHECK __attribute__((warn_unused_result))

const char *whs_status_name(enum whs_status status);
const char *whs_status_message(enum whs_status status);

/* Fills `err` (which may be NULL) and returns `status`, for `return whs_error_set(…)`.
 */
enum whs_status whs_error_set(struct whs_error *err, enum whs_status status,
                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
