/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * engine: what runs a virtual machine: our own KVM monitor, or QEMU.  The supervisor knows nothing
 * else about either.
 *
 * An engine is one process, started by start() and gone when `ended` is called, which happens exactly
 * once after a successful start().  Orders are not answered; what they did is told by the events.
 *
 * Threads: that of the event loop.
 */
#ifndef LAUNCHER_ENGINE_H
#define LAUNCHER_ENGINE_H

#include <sys/types.h>

#include "launcher/definition.h"
#include "lib/err.h"

struct engine;
struct event_base;

enum vm_end {
	VM_END_SHUTDOWN, /* the guest switched itself off */
	VM_END_REBOOT,   /* it wanted to reboot, with on_reboot=stop */
	VM_END_CRASH,    /* the guest panicked, or its monitor failed */
	VM_END_KILL,     /* kill(), or a signal to the monitor */
};
#define VM_END_COUNT 4
extern const char *const vm_end_names[VM_END_COUNT]; /* "shutdown", ... */

struct engine_events {
	void (*running)(void *arg); /* started, or resumed */
	void (*paused)(void *arg);
	void (*restarted)(void *arg); /* the guest has rebooted in place */
	/* The process is gone; text is borrowed.  Destroy the engine when it is convenient. */
	void (*ended)(void *arg, enum vm_end end, const char *text);
	void *arg;
};

struct engine_start {
	struct event_base *loop;
	const struct vm_definition *def; /* complete, its sockets are there; lives as long */
	int console;                     /* a stream socket: the guest's serial console; taken */
	bool kvm;                        /* hardware virtualisation works */
	struct engine_events events;
};

struct engine_ops {
	const char *name; /* as in engine= */
	int (*start)(struct engine **engine, const struct engine_start *start, struct err *err);
	void (*pause)(struct engine *engine);
	void (*resume)(struct engine *engine);
	void (*powerdown)(struct engine *engine); /* presses the ACPI power button */
	void (*reset)(struct engine *engine);
	void (*kill)(struct engine *engine);
	void (*destroy)(struct engine *engine); /* kills first what runs */
};

/* The beginning of every engine. */
struct engine {
	const struct engine_ops *ops;
	struct engine_events events;
	struct process *process;
};

extern const struct engine_ops engine_kvm, engine_qemu;

/*
 * The engine for a choice (ENGINE_AUTO, ...), and in one line which and why.  *kvm: hardware
 * virtualisation works.  -ENODEV: the one that was asked for does not work here.
 */
int engine_choose(int choice, const struct engine_ops **ops, bool *kvm, char *why, size_t size,
	struct err *err);

#endif
