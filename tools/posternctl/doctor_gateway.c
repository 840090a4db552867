#include "doctor.h"

#include "control.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DESCRIPTORS_LEAST = 4096 };

/* Who listens on the control socket; 0 when nobody does. */
static pid_t find_gateway(const struct ctl *c)
{
    char *path = ctl_state_path(c, "control.sock");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    socklen_t n = sizeof(peer);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && strlen(path) < sizeof(to.sun_path)) {
        memcpy(to.sun_path, path, strlen(path) + 1);
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
            peer.pid = 0;
    }
    if (fd >= 0)
        (void)close(fd);
    free(path);
    return peer.pid;
}

/* The soft limit of another process; false when it cannot be read. */
static bool read_descriptor_limit(pid_t pid, uint64_t *out)
{
    char path[64], line[256], word[32];
    bool is_found = false;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%ld/limits", (long)pid);
    if ((file = fopen(path, "re")) == NULL)
        return false;
    while (!is_found && fgets(line, sizeof(line), file) != NULL)
        is_found = sscanf(line, "Max open files %31s", word) == 1;
    (void)fclose(file);
    if (is_found && strcmp(word, "unlimited") == 0)
        *out = UINT64_MAX;
    return is_found &&
           (strcmp(word, "unlimited") == 0 || slice_u64(slice_str(word), UINT64_MAX, out));
}

static void look_at_descriptors(const struct ctl *c, pid_t pid, struct findings *f)
{
    uint64_t least = c->conf->server.max_connections * 2, limit;

    if (least < DESCRIPTORS_LEAST)
        least = DESCRIPTORS_LEAST;
    if (read_descriptor_limit(pid, &limit))
        finding_add(
            f, limit >= least, "the gateway has descriptors for its connections",
            "systemctl edit postern   # [Service] LimitNOFILE=65536, then: systemctl restart "
            "postern");
}

void doctor_gateway(struct ctl *c, struct findings *f)
{
    struct buf body;
    unsigned status = 0;
    bool answers;
    pid_t pid = find_gateway(c);

    buf_init(&body);
    answers = pid > 0 && control_ask(c, "GET", "/readyz?verbose", &status, &body) == OUTCOME_OK;
    finding_add(f, answers, "the gateway answers on its control socket", "systemctl start postern");
    if (answers)
        finding_add(f, status == 200, "the gateway is ready", "journalctl -u postern -n 50");
    if (pid > 0)
        look_at_descriptors(c, pid, f);
    buf_fini(&body);
}
