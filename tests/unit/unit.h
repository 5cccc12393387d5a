/* cmocka with the headers that it wants to see first. */
#ifndef SN_TESTS_UNIT_H
#define SN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Skips a test of sn_file_read_beneath where the system has no openat2, as qemu-user has none. */
static inline void unit_need_openat2(void)
{
    if (syscall(SYS_openat2, -1, "", NULL, 0) != 0 && errno == ENOSYS)
        skip();
}

#endif
