/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * aml: writes ACPI machine language and resource descriptors (ACPI 6.4, chapters 20 and 6.4).
 *
 * Objects that have contents are begun and ended: the end fills in the length.
 */
#ifndef LAUNCHER_AML_H
#define LAUNCHER_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names have four characters. */
struct aml {
	uint8_t *bytes;
	size_t size, used; /* what does not fit is not written: used > size tells */
};

void aml_bytes(struct aml *aml, const void *bytes, size_t count);
void aml_byte(struct aml *aml, uint8_t byte);
void aml_name(struct aml *aml, const char *name);
void aml_integer(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *text);
/* "PNP0A08" in its compressed form. */
void aml_eisa(struct aml *aml, const char *id);

/* Each begin returns what the end wants back. */
size_t aml_scope(struct aml *aml, const char *name);
size_t aml_device(struct aml *aml, const char *name);
size_t aml_method(struct aml *aml, const char *name, unsigned arguments);
size_t aml_package(struct aml *aml, unsigned elements);
void aml_end(struct aml *aml, size_t begin);

/* The value of a Name() that a resource template becomes. */
size_t aml_resources(struct aml *aml);
void aml_resources_end(struct aml *aml, size_t begin);
void aml_io(struct aml *aml, uint16_t first, uint8_t count);
void aml_memory(struct aml *aml, uint32_t first, uint32_t size);
/* Edge triggered, active high, not shared. */
void aml_interrupt(struct aml *aml, uint32_t number);
enum aml_space { AML_MEMORY, AML_IO, AML_BUS };
void aml_window(struct aml *aml, enum aml_space space, uint64_t first, uint64_t last);

#endif
