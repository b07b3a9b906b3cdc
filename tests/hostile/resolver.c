/* SPDX-License-Identifier: MIT
 *
 * Preloaded, it is the name server of a process, and the witness of where it connects.
 *
 * WHS_HOSTS names a file, read anew for every lookup:
 *
 *   good.example 127.0.0.2 ::1      these addresses, in this order
 *   late.example after 4000         nothing, after so many milliseconds
 *   none.example fails -2           the error of getaddrinfo with this number
 *
 * Other names are looked up as ever. WHS_CONNECTS names a file that gets a line,
 * "address port", for every connection to an internet address that is begun. Those that
 * would leave the machine are refused.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 16384

typedef int (*lookup)(const char *, const char *, const struct addrinfo *,
                      struct addrinfo **);
typedef int (*connecting)(int, const struct sockaddr *, socklen_t);

/* --- Names. --- */

/* What stands behind the name in the table; NULL: not in it. */
static char *
find(const char *name, char line[LINE_MAX_BYTES])
{
    const char *path = getenv("WHS_HOSTS");
    FILE *table = path ? fopen(path, "re") : NULL;
    char *rest = NULL;
    while (table && !rest && fgets(line, LINE_MAX_BYTES, table)) {
        char *known = strtok_r(line, " \n", &rest);
        if (!known || strcasecmp(known, name) != 0)
            rest = NULL;
    }
    if (table)
        fclose(table);
    return rest;
}

static int
fail_after(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    return EAI_AGAIN;
}

/* A list in the order of the table; whoever frees it need not know that it is ours,
 * because each part of it was made by the real one. */
static int
list_addresses(lookup real, char *addresses, const char *service,
               const struct addrinfo *hints, struct addrinfo **out)
{
    struct addrinfo numeric = hints ? *hints : (struct addrinfo){0};
    struct addrinfo **last = out;
    char *rest = NULL;
    numeric.ai_flags = AI_NUMERICHOST;
    *out = NULL;
    for (char *each = strtok_r(addresses, " \n", &rest); each;
         each = strtok_r(NULL, " \n", &rest)) {
        if (real(each, service, &numeric, last) != 0)
            *last = NULL;
        while (*last)
            last = &(*last)->ai_next;
    }
    return *out ? 0 : EAI_NONAME;
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
            struct addrinfo **out)
{
    char line[LINE_MAX_BYTES];
    lookup real = (lookup)dlsym(RTLD_NEXT, "getaddrinfo");
    char *known = name ? find(name, line) : NULL;
    if (!known)
        return real(name, service, hints, out);
    if (strncmp(known, "after ", 6) == 0)
        return fail_after(atol(known + 6));
    if (strncmp(known, "fails ", 6) == 0)
        return atoi(known + 6);
    return list_addresses(real, known, service, hints, out);
}

/* --- Connections. --- */

static bool
is_here(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    if (address->sa_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127 || v4->sin_addr.s_addr == 0;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return v6->sin6_addr.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
           IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static void
bear_witness(const struct sockaddr *address, socklen_t len)
{
    char host[NI_MAXHOST], port[NI_MAXSERV], line[NI_MAXHOST + NI_MAXSERV + 2];
    const char *path = getenv("WHS_CONNECTS");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    if (getnameinfo(address, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        abort();
    int bytes = snprintf(line, sizeof(line), "%s %s\n", host, port);
    if (write(fd, line, (size_t)bytes) != bytes)
        abort();
    close(fd);
}

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6) {
        bear_witness(address, len);
        if (!is_here(address)) {
            errno = ECONNREFUSED;
            return -1;
        }
    }
    return ((connecting)dlsym(RTLD_NEXT, "connect"))(fd, address, len);
}
