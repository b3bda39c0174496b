/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm: the verbs of virtual machines.  Each returns the exit code, and fills err when that is an error
 * of ours.
 *
 * The exit codes of `vm run` in the foreground tell how the virtual machine ended.
 */
#ifndef CLI_VM_H
#define CLI_VM_H

#include <stdbool.h>

#include "cli/client.h"
#include "cli/command.h"
#include "launcher/definition.h"

enum { EXIT_VM_REBOOT = 10, EXIT_VM_CRASH, EXIT_VM_KILL }; /* shut down: EXIT_OK */

int vm_run_verb(const struct command *command, struct err *err);
int vm_list_verb(const struct command *command, struct err *err);
int vm_show_verb(const struct command *command, struct err *err);
int vm_console_verb(const struct command *command, struct err *err);
int vm_log_verb(const struct command *command, struct err *err);
int vm_call_verb(const struct command *command, struct err *err); /* stop, kill, pause, resume */

/* A conversation with the supervisor of a virtual machine. */
int vm_open(struct client *client, const char *name, unsigned timeout_ms, struct err *err);
/* One request without parameters to it; NULL when it does not answer. */
json_t *vm_ask(const char *name, const char *method, struct err *err);

/*
 * Starts one and waits until it runs; notes go to standard error.  *row is what `vm show` would show, a
 * new reference.
 */
int vm_start(const struct vm_definition *def, const char *socket, json_t **row, struct err *err);
/* Stops (seconds > 0) or kills it and waits for the end. */
int vm_end_and_wait(const char *name, unsigned seconds, json_t **result, struct err *err);

#endif
