/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "launcher/aml.h"

#define OP_NAME      0x08
#define OP_BYTE      0x0a
#define OP_WORD      0x0b
#define OP_DWORD     0x0c
#define OP_STRING    0x0d
#define OP_QWORD     0x0e
#define OP_SCOPE     0x10
#define OP_BUFFER    0x11
#define OP_PACKAGE   0x12
#define OP_METHOD    0x14
#define OP_EXTENDED  0x5b
#define OP_DEVICE    0x82
/* The form of a length that takes three bytes. */
#define LENGTH_BYTES 3

void
aml_bytes(struct aml *aml, const void *bytes, size_t count)
{
	if (aml->used <= aml->size && count <= aml->size - aml->used)
		memcpy(aml->bytes + aml->used, bytes, count);
	aml->used += count;
}

void
aml_byte(struct aml *aml, uint8_t byte)
{
	aml_bytes(aml, &byte, 1);
}

static void
put(struct aml *aml, uint64_t value, unsigned count)
{
	aml_bytes(aml, &value, count); /* little endian, as this machine is */
}

static void
set(struct aml *aml, size_t at, uint64_t value, unsigned count)
{
	if (at + count <= aml->size)
		memcpy(aml->bytes + at, &value, count);
}

void
aml_name(struct aml *aml, const char *name)
{
	aml_byte(aml, OP_NAME);
	aml_bytes(aml, name, 4);
}

void
aml_integer(struct aml *aml, uint64_t value)
{
	if (value <= 1) {
		aml_byte(aml, (uint8_t)value);
	} else if (value <= UINT8_MAX) {
		aml_byte(aml, OP_BYTE);
		put(aml, value, 1);
	} else if (value <= UINT16_MAX) {
		aml_byte(aml, OP_WORD);
		put(aml, value, 2);
	} else if (value <= UINT32_MAX) {
		aml_byte(aml, OP_DWORD);
		put(aml, value, 4);
	} else {
		aml_byte(aml, OP_QWORD);
		put(aml, value, 8);
	}
}

void
aml_string(struct aml *aml, const char *text)
{
	aml_byte(aml, OP_STRING);
	aml_bytes(aml, text, strlen(text) + 1);
}

static unsigned
hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

void
aml_eisa(struct aml *aml, const char *id)
{
	unsigned letters = (unsigned)(id[0] - '@') << 10 | (unsigned)(id[1] - '@') << 5 |
			   (unsigned)(id[2] - '@');
	uint32_t value = __builtin_bswap32(
		letters << 16 | hex(id[3]) << 12 | hex(id[4]) << 8 | hex(id[5]) << 4 | hex(id[6]));

	aml_byte(aml, OP_DWORD);
	put(aml, value, 4);
}

static size_t
begin(struct aml *aml)
{
	size_t at = aml->used;

	put(aml, 0, LENGTH_BYTES);
	return at;
}

void
aml_end(struct aml *aml, size_t at)
{
	size_t length = aml->used - at;

	set(aml, at, 0x80 | (length & 0xf) | (length >> 4) << 8, LENGTH_BYTES);
}

size_t
aml_scope(struct aml *aml, const char *name)
{
	size_t at;

	aml_byte(aml, OP_SCOPE);
	at = begin(aml);
	aml_bytes(aml, name, 4);
	return at;
}

size_t
aml_device(struct aml *aml, const char *name)
{
	size_t at;

	aml_byte(aml, OP_EXTENDED);
	aml_byte(aml, OP_DEVICE);
	at = begin(aml);
	aml_bytes(aml, name, 4);
	return at;
}

size_t
aml_method(struct aml *aml, const char *name, unsigned arguments)
{
	size_t at;

	aml_byte(aml, OP_METHOD);
	at = begin(aml);
	aml_bytes(aml, name, 4);
	aml_byte(aml, (uint8_t)arguments);
	return at;
}

size_t
aml_package(struct aml *aml, unsigned elements)
{
	size_t at;

	aml_byte(aml, OP_PACKAGE);
	at = begin(aml);
	aml_byte(aml, (uint8_t)elements);
	return at;
}

/* ---- resources ---- */

/* A buffer whose size is a word that follows the length. */
size_t
aml_resources(struct aml *aml)
{
	size_t at;

	aml_name(aml, "_CRS");
	aml_byte(aml, OP_BUFFER);
	at = begin(aml);
	aml_byte(aml, OP_WORD);
	put(aml, 0, 2);
	return at;
}

void
aml_resources_end(struct aml *aml, size_t at)
{
	put(aml, 0x0079, 2); /* end tag, no checksum */
	set(aml, at + LENGTH_BYTES + 1, aml->used - at - LENGTH_BYTES - 3, 2);
	aml_end(aml, at);
}

void
aml_io(struct aml *aml, uint16_t first, uint8_t count)
{
	aml_byte(aml, 0x47);
	aml_byte(aml, 1); /* decodes 16 bits */
	put(aml, first, 2);
	put(aml, first, 2);
	aml_byte(aml, 1);
	aml_byte(aml, count);
}

void
aml_memory(struct aml *aml, uint32_t first, uint32_t size)
{
	aml_byte(aml, 0x86);
	put(aml, 9, 2);
	aml_byte(aml, 1); /* writable */
	put(aml, first, 4);
	put(aml, size, 4);
}

void
aml_interrupt(struct aml *aml, uint32_t number)
{
	aml_byte(aml, 0x89);
	put(aml, 6, 2);
	aml_byte(aml, 0x03); /* consumer, edge */
	aml_byte(aml, 1);
	put(aml, number, 4);
}

void
aml_window(struct aml *aml, enum aml_space space, uint64_t first, uint64_t last)
{
	static const uint8_t flags[] = {0x01, 0x03, 0x00}; /* writable memory, all ports, - */
	unsigned width = space == AML_MEMORY ? (last > UINT32_MAX ? 8 : 4) : 2;

	aml_byte(aml, width == 8 ? 0x8a : width == 4 ? 0x87 : 0x88);
	put(aml, 3 + 5 * width, 2);
	aml_byte(aml, (uint8_t)space);
	aml_byte(aml, 0x0c); /* producer, both ends fixed */
	aml_byte(aml, flags[space]);
	put(aml, 0, width); /* granularity */
	put(aml, first, width);
	put(aml, last, width);
	put(aml, 0, width); /* translation */
	put(aml, last - first + 1, width);
}
