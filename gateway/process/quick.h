#ifndef PROCESS_QUICK_H
#define PROCESS_QUICK_H

/*
 * `postern quick URL`: a configuration, a certificate, a user and a key of its own
 * in one folder, then the gateway in front of URL. Returns the exit code.
 */
int quick_run(int argc, char **argv);

#endif
