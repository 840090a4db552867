#include "process/notify.h"

#ifdef HAVE_SYSTEMD
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

void notify_service(const char *state)
{
    char text[128];

    /* Type=notify-reload wants the time of the reload (systemd.service(5)). */
    if (strcmp(state, "RELOADING=1") == 0) {
        snprintf(text, sizeof(text), "%s\nMONOTONIC_USEC=%" PRId64, state, clock_mono_us());
        state = text;
    }
    (void)sd_notify(0, state);
}
#else
void notify_service(const char *state)
{
    (void)state;
}
#endif
