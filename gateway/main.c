/* postern: reads the arguments, then gateway/process does the rest. */
#include "base/standard_fds.h"
#include "process/gateway.h"
#include "process/quick.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static const char default_conf[] = "/etc/postern/postern.yaml";

static int usage(FILE *out, int code)
{
    fprintf(out,
            "usage: postern [-c FILE]             run the gateway\n"
            "       postern -t [-c FILE]          check the configuration and exit\n"
            "       postern quick URL [OPTIONS]   put API keys in front of URL, now\n"
            "\n"
            "  -c, --config FILE   configuration (default %s if it exists)\n"
            "  -t, --test          all complaints as file:line:column, those about files that it\n"
            "                      names too; exit 0 or 1. On another machine:\n"
            "                      posternctl config check --offline\n"
            "  -V, --version       print the version\n"
            "  -h, --help          print this\n"
            "\n"
            "examples:\n"
            "  postern -c /etc/postern/postern.yaml\n"
            "  postern quick http://127.0.0.1:11434\n"
            "\n"
            "Manual: postern(8), postern.yaml(5), posternctl(1)\n",
            default_conf);
    return code;
}

static int check(const char *path)
{
    struct complaints c;
    struct conf *conf = NULL;
    struct buf text;
    enum err e;

    complaints_init(&c);
    buf_init(&text);
    e = conf_read_with_files(path, environ, true, &c, &conf);
    complaints_write(&c, &text);
    fputs(buf_cstr(&text), stderr);
    printf("configuration %s: %s\n", path != NULL ? path : "(defaults and environment)",
           e == ERR_OK ? "ok" : "not valid");
    buf_fini(&text);
    complaints_fini(&c);
    conf_free(conf);
    return e == ERR_OK ? EXIT_OK : EXIT_FAILED;
}

static int run(const char *path)
{
    struct gateway g;
    int code = EXIT_FAILED;

    if (gateway_open(&g, path, environ) == ERR_OK)
        code = gateway_run(&g);
    gateway_close(&g);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"test", no_argument, NULL, 't'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = access(default_conf, R_OK) == 0 ? default_conf : NULL;
    bool only_check = false;
    int option;

    standard_fds_take();
    if (argc > 1 && strcmp(argv[1], "quick") == 0)
        return quick_run(argc - 1, argv + 1);
    while ((option = getopt_long(argc, argv, "c:tVh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 't':
            only_check = true;
            break;
        case 'V':
            printf("postern %s\n", POSTERN_VERSION);
            return EXIT_OK;
        case 'h':
            return usage(stdout, EXIT_OK);
        default:
            return usage(stderr, EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "postern: what is '%s'?\n", argv[optind]);
        return usage(stderr, EXIT_USAGE);
    }
    return only_check ? check(path) : run(path);
}
