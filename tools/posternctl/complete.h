#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

/*
 * posternctl __complete WORD...: what the last word may become, one a line; the shells' scripts
 * ask this at each key press. Names and ids are live. Nothing for a file name: the shell knows.
 */
int complete_run(int argc, char **argv);

#endif
