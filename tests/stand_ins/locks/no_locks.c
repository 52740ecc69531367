/* Stands in for a file system without locks: preloaded, flock and the locks of fcntl fail with the
 * error that NO_LOCKS names, ENOLCK (NFS without lockd) or ENOSYS (Lustre without -o flock). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int refused(void) {
    const char *name = getenv("NO_LOCKS");
    errno = name && strcmp(name, "ENOSYS") == 0 ? ENOSYS : ENOLCK;
    return -1;
}

int flock(int descriptor, int operation) { return refused(); }

static int answered(const char *real, int descriptor, int command, void *argument) {
    switch (command) {
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return refused();
    }
    return ((int (*)(int, int, void *))dlsym(RTLD_NEXT, real))(descriptor, command, argument);
}

#define ANSWER(name)                                        \
    int name(int descriptor, int command, ...) {            \
        va_list arguments;                                  \
        va_start(arguments, command);                       \
        void *argument = va_arg(arguments, void *);         \
        va_end(arguments);                                  \
        return answered(#name, descriptor, command, argument); \
    }

ANSWER(fcntl)
ANSWER(fcntl64)
