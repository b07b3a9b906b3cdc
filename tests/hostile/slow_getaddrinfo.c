/* SPDX-License-Identifier: MIT
 *
 * Preloaded, it makes names that begin with "slow" take their time to be found nowhere.
 * SLOW_MS says how long.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int (*lookup)(const char *, const char *, const struct addrinfo *,
                      struct addrinfo **);

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
            struct addrinfo **out)
{
    if (name && strncmp(name, "slow", 4) == 0) {
        const char *text = getenv("SLOW_MS");
        long ms = text ? atol(text) : 5000;
        struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
        nanosleep(&wait, NULL);
        return EAI_AGAIN;
    }
    return ((lookup)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, out);
}
