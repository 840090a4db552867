/*
 * mixing --port GATEWAY --ca FILE --seed N --exchanges N --seconds N
 *
 * run.py starts it and talks to it by lines: it says its server's port, takes users and
 * credentials (roster.c), answers each line with "ok", begins at "start", and ends with a line
 * of counts. While it runs, further lines announce changes. Status 0: no mismatch.
 */
#include "mixing.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run run = {.threads = 16, .margin_us = 100000, .cut_us = 1100000, .patience_s = 60};

static pthread_mutex_t saying = PTHREAD_MUTEX_INITIALIZER;

/* The first one is the one that counts: the process is gone before a second can be written. */
_Noreturn void mismatch(const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&saying);
    fprintf(stderr,
            "MISMATCH after %lu exchanges, seed %llu: ", (unsigned long)run.counts.exchanges,
            (unsigned long long)run.seed);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    _exit(1);
}

static void say(const char *line)
{
    pthread_mutex_lock(&saying);
    puts(line);
    fflush(stdout);
    pthread_mutex_unlock(&saying);
}

static bool next_line(char *line, size_t max)
{
    if (fgets(line, (int)max, stdin) == NULL)
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

/* Changes while the clients run; run.py ends when it has read the counts. */
static void *obey_all(void *arg)
{
    char line[CREDENTIAL_MAX + 64];

    (void)arg;
    while (next_line(line, sizeof(line)))
        say(roster_obey(line) ? "ok" : "what?");
    return NULL;
}

static void say_counts(void)
{
    const struct counts *n = &run.counts;
    char line[800];

    snprintf(line, sizeof(line),
             "done exchanges=%lu pipelined=%lu aborted=%lu websockets=%lu frames=%lu refused=%lu "
             "broken=%lu cut=%lu unanswered=%lu left_over=%lu served=%lu connections=%lu "
             "answer_mib=%lu latest_grant_ms=%ld.%ld",
             n->exchanges, n->pipelined, n->aborted, n->websockets, n->frames, n->refused,
             n->broken, n->cut, n->unanswered, n->left_over, n->served, n->connections,
             n->answer_bytes >> 20, n->latest_grant_us / 1000, n->latest_grant_us / 100 % 10);
    say(line);
}

static void run_clients(void)
{
    pthread_t threads[256], commands;
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    if (pthread_create(&commands, NULL, obey_all, NULL) != 0)
        mismatch("no thread");
    for (unsigned i = 0; i < run.threads; i++)
        if (pthread_create(&threads[i], &attr, client_main, (void *)(uintptr_t)(i + 1)) != 0)
            mismatch("no thread");
    for (unsigned i = 0; i < run.threads; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&attr);
}

static bool read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"ca", required_argument, NULL, 'c'},
        {"seed", required_argument, NULL, 's'},
        {"exchanges", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 't'},
        {"threads", required_argument, NULL, 'j'},
        {"margin-ms", required_argument, NULL, 'm'},
        {"cut-ms", required_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    int o;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const unsigned long long n = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;

        switch (o) {
        case 'p':
            run.gateway_port = (int)n;
            break;
        case 'c':
            run.ca = optarg;
            break;
        case 's':
            run.seed = n;
            break;
        case 'n':
            run.wanted = n;
            break;
        case 't':
            run.ends_at_us = now_us() + (int64_t)n * 1000000;
            break;
        case 'j':
            run.threads = (unsigned)n;
            break;
        case 'm':
            run.margin_us = (int64_t)n * 1000;
            break;
        case 'x':
            run.cut_us = (int64_t)n * 1000;
            break;
        default:
            return false;
        }
    }
    return run.gateway_port > 0 && run.ca != NULL && run.wanted > 0 && run.ends_at_us > 0 &&
           run.threads > 0 && run.threads <= 256;
}

int main(int argc, char **argv)
{
    char line[CREDENTIAL_MAX + 64];

    if (!read_arguments(argc, argv)) {
        fprintf(stderr, "usage: mixing --port N --ca FILE --seed N --exchanges N --seconds N\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    server_start();
    snprintf(line, sizeof(line), "port %d", run.server_port);
    say(line);
    while (next_line(line, sizeof(line)) && strcmp(line, "start") != 0)
        say(roster_obey(line) ? "ok" : "what?");
    if (roster_users() == 0)
        return 2;
    run_clients();
    say_counts();
    _exit(run.counts.exchanges >= run.wanted ? 0 : 3); /* server threads still wait for requests */
}
