/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * needs: what a part of the daemon asks of the kernel while it runs: system calls, and capabilities
 * (capabilities(7)) of the control thread.  Each part says so in a table beside its code;
 * control/rights.c adds up those that a daemon uses, lib/confine.h enforces the sum.
 *
 * What a part needs only before the daemon is ready is not listed.
 */
#ifndef LIB_NEEDS_H
#define LIB_NEEDS_H

#include <stdint.h>
#include <sys/syscall.h>

/* A system call that is allowed: always, or when argument & mask == value. */
struct needs_call {
	int number;        /* NEEDS_END ends a table */
	unsigned argument; /* 0..5 */
	uint64_t mask;     /* 0 = whatever the arguments are */
	uint64_t value;
};

struct needs {
	uint64_t capabilities; /* bits 1 << CAP_... */
	const struct needs_call *calls;
};

#define NEEDS_END (-1)
#define NEEDS_CALL(name)            \
	{                           \
		SYS_##name, 0, 0, 0 \
	}
#define NEEDS_CALL_IF(name, argument, m, v)      \
	{                                        \
		SYS_##name, (argument), (m), (v) \
	}
#define NEEDS_IOCTL(request) NEEDS_CALL_IF(ioctl, 1, UINT32_MAX, (uint32_t)(request))
#define NEEDS_SOCKET(family) NEEDS_CALL_IF(socket, 0, UINT32_MAX, (family))
#define NEEDS_NO_MORE              \
	{                          \
		NEEDS_END, 0, 0, 0 \
	}
#define NEEDS_CAPABILITY(name) (UINT64_C(1) << (name))

#endif
