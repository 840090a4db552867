#ifndef PROCESS_NOTIFY_H
#define PROCESS_NOTIFY_H

/* Tells the service manager (sd_notify(3)); without one, or without libsystemd, nothing happens. */
void notify_service(const char *state);

#endif
