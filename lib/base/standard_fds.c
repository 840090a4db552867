#include "base/standard_fds.h"

#include "base/err.h"

#include <fcntl.h>
#include <unistd.h>

void standard_fds_take(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) /* the lowest free number is fd */
            CHECK(open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) == fd);
}
