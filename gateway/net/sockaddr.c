#include "net/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>

void sockaddr_from_addr(const struct addr *a, struct sockaddr_any *out)
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};

    *out = (struct sockaddr_any){0};
    if (memcmp(a->bytes, MAPPED, sizeof(MAPPED)) == 0) {
        struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;

        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->bytes + sizeof(MAPPED), 4);
        out->n = sizeof(*in);
    } else {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->storage;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->port);
        memcpy(&in6->sin6_addr, a->bytes, 16);
        out->n = sizeof(*in6);
    }
}

enum err sockaddr_from_path(const char *path, struct sockaddr_any *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;
    const size_t n = strlen(path);

    if (n >= sizeof(un->sun_path))
        return ERR_TOO_LARGE;
    *out = (struct sockaddr_any){0};
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n);
    out->n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return ERR_OK;
}
