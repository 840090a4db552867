#include "ctl.h"
enum outcome ctl_bootstrap(struct ctl *c)
{
    return ctl_open_roster(c);
}
