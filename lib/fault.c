/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>

#include "lib/fault.h"

_Thread_local struct fault_guard *volatile fault_current;

static void
on_sigbus(int signal, siginfo_t *info, void *context)
{
	struct fault_guard *guard = fault_current;

	(void)context;
	if (guard && info->si_code > 0 &&
		(!guard->ours || guard->ours(info->si_addr, guard->arg))) {
		guard->address = info->si_addr;
		fault_current = NULL;
		siglongjmp(guard->back, 1);
	}
	/* Not ours: the access is repeated on return, and ends the process where it happened. */
	struct sigaction action = {.sa_handler = SIG_DFL};

	sigaction(signal, &action, NULL);
}

int
fault_install(void)
{
	/* NODEFER: the handler is left by siglongjmp() without restoring the mask. */
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}
