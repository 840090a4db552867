#ifndef BASE_STANDARD_FDS_H
#define BASE_STANDARD_FDS_H

/*
 * First thing in main(): takes the places of standard input, output and error that the caller
 * left closed, so that no socket or file gets their numbers and is written to by mistake. Using
 * them still fails.
 */
void standard_fds_take(void);

#endif
