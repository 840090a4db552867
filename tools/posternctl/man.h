#ifndef CTL_MAN_H
#define CTL_MAN_H

/*
 * posternctl __man FOLDER: writes posternctl.1, a posternctl-NOUN.1 for each noun, and
 * postern.yaml.5, all from tables, as mdoc(7).
 */
int man_run(int argc, char **argv);

#endif
