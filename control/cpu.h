/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpu: can this processor run the program?  The floor is x86-64-v2, which the compiler was told.
 */
#ifndef CONTROL_CPU_H
#define CONTROL_CPU_H

#include <stdbool.h>

#include "lib/err.h"

/* Does the processor have an instruction set extension ("sse4.2")? */
typedef bool (*cpu_probe)(const char *name);

/* The processor at hand. */
bool cpu_has(const char *name);

/* -ENOTSUP, and what is missing. */
int cpu_check(cpu_probe has, struct err *err);

#endif
