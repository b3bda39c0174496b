/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm_dir: the folder that a virtual machine has while it runs, and the register that all of them are.
 *
 *	RUNTIME/vm/NAME/lock		locked (flock) by the supervisor as long as it lives
 *	RUNTIME/vm/NAME/vm.json		the definition
 *	RUNTIME/vm/NAME/control.sock	JSON-RPC: show, stop, kill, pause, resume
 *	RUNTIME/vm/NAME/console.sock	the serial console, bytes
 *	RUNTIME/vm/NAME/netN.sock	the socket of its port on the switch
 *	RUNTIME/log/NAME.console	what the guest wrote; NAME.console.1 is older
 *	RUNTIME/log/NAME.log		what supervisor and monitor said
 *
 * RUNTIME is api_runtime_dir().  RUNTIME/vm/.register is locked while folders come and go, and while
 * somebody compares names, addresses and disks: two virtual machines never have the same.
 */
#ifndef LAUNCHER_VM_DIR_H
#define LAUNCHER_VM_DIR_H

#include <stdbool.h>

#include <jansson.h>

#include "launcher/definition.h"
#include "lib/unix_socket.h"

struct vm_dir {
	char path[UNIX_SOCKET_PATH_SIZE]; /* "" = none */
	char log[UNIX_SOCKET_PATH_SIZE];  /* RUNTIME/log/NAME */
	int lock;                         /* -1 = not ours */
};

/*
 * Makes the folder and takes the lock; gives paths to the ports of the definition.  Leftovers of a
 * supervisor that was killed are removed.  -EEXIST: the name, an address or a disk belongs to a
 * virtual machine that runs; -ENAMETOOLONG, -EACCES, ...
 */
int vm_dir_claim(struct vm_dir *dir, struct vm_definition *def, struct err *err);

/* Removes the folder and releases the lock.  The logs stay.  Idempotent. */
void vm_dir_release(struct vm_dir *dir);

/* Removes the folder of a supervisor that was killed.  False: it is alive. */
bool vm_dir_sweep(struct vm_dir *dir);

/* The folder of a virtual machine that somebody else looks after.  -ENOENT there is none. */
int vm_dir_find(struct vm_dir *dir, const char *name, struct err *err);

/* Is its supervisor alive? */
bool vm_dir_is_alive(const struct vm_dir *dir);

/* The definition that was written down, a new reference; NULL. */
json_t *vm_dir_definition(const struct vm_dir *dir);

/* Calls for each folder, in order of names. */
void vm_dir_each(void (*callback)(void *arg, const char *name), void *arg);

/* "path/name" of a file in the folder; returns buffer. */
char *vm_dir_file(const struct vm_dir *dir, const char *name, char *buffer, size_t size);

#endif
