/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pcapng.h"

#define FIRST_SIZE 65536

enum block {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_FRAME = 6,
};

enum option {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_TSRESOL = 9,
	INTERFACE_FILTER = 11,
	FRAME_FLAGS = 2,
	FRAME_DROPCOUNT = 4,
	STATISTICS_RECEIVED = 4,
	STATISTICS_LOST = 5,
};

#define LINKTYPE_ETHERNET 1
#define TSRESOL_NS        9
#define FILTER_TEXT       0 /* what follows is a tcpdump expression */
#define TEXT_MAX          65000

/* Appends n bytes and fills up to a multiple of four. */
static bool
put(struct pcapng *f, const void *bytes, size_t n)
{
	size_t padded = (n + 3) & ~(size_t)3;

	if (f->size - f->used < padded) {
		size_t size = f->size ? 2 * f->size : FIRST_SIZE;
		uint8_t *more;

		while (size - f->used < padded)
			size *= 2;
		more = realloc(f->bytes, size);
		if (!more)
			return false;
		f->bytes = more;
		f->size = size;
	}
	if (n)
		memcpy(f->bytes + f->used, bytes, n);
	memset(f->bytes + f->used + n, 0, padded - n);
	f->used += padded;
	return true;
}

static bool
put_word(struct pcapng *f, uint32_t word)
{
	return put(f, &word, sizeof(word));
}

static bool
put_time(struct pcapng *f, uint64_t ns)
{
	return put_word(f, (uint32_t)(ns >> 32)) && put_word(f, (uint32_t)ns);
}

static bool
put_option(struct pcapng *f, enum option code, const void *value, size_t n)
{
	return put_word(f, (uint32_t)code | (uint32_t)n << 16) && put(f, value, n);
}

static bool
put_text(struct pcapng *f, enum option code, const char *text)
{
	return !text || put_option(f, code, text, strnlen(text, TEXT_MAX));
}

/* A block's length stands at both of its ends. */
static bool
begin(struct pcapng *f, enum block type)
{
	return put_word(f, (uint32_t)type) && put_word(f, 0);
}

static int
end(struct pcapng *f, size_t start, bool whole)
{
	uint32_t length;

	whole = whole && put_word(f, OPTION_END);
	length = (uint32_t)(f->used + sizeof(length) - start);
	if (!whole || !put_word(f, length)) {
		f->used = start;
		return -ENOMEM;
	}
	memcpy(f->bytes + start + 4, &length, sizeof(length));
	return 0;
}

int
pcapng_section(struct pcapng *f, const char *application)
{
	static const uint32_t body[] = {0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX};
	size_t start = f->used;

	return end(f, start,
		begin(f, BLOCK_SECTION) && put(f, body, sizeof(body)) &&
			put_text(f, SECTION_APPLICATION, application));
}

static bool
put_filter(struct pcapng *f, const char *filter)
{
	char text[TEXT_MAX + 1];
	size_t n;

	if (!filter)
		return true;
	n = strnlen(filter, TEXT_MAX);
	text[0] = FILTER_TEXT;
	memcpy(text + 1, filter, n);
	return put_option(f, INTERFACE_FILTER, text, n + 1);
}

int
pcapng_interface(struct pcapng *f, const char *name, uint32_t snaplen, const char *filter)
{
	static const uint8_t resolution = TSRESOL_NS;
	size_t start = f->used;

	return end(f, start,
		begin(f, BLOCK_INTERFACE) && put_word(f, LINKTYPE_ETHERNET) &&
			put_word(f, snaplen) && put_text(f, INTERFACE_NAME, name) &&
			put_option(f, INTERFACE_TSRESOL, &resolution, sizeof(resolution)) &&
			put_filter(f, filter));
}

int
pcapng_frame(struct pcapng *f, const struct pcapng_frame *frame)
{
	uint32_t flags = frame->direction;
	size_t start = f->used;
	bool whole = begin(f, BLOCK_FRAME) && put_word(f, frame->interface) &&
		     put_time(f, frame->time_ns) && put_word(f, frame->captured) &&
		     put_word(f, frame->len) && put(f, frame->bytes, frame->captured) &&
		     put_text(f, OPTION_COMMENT, frame->comment);

	if (flags)
		whole = whole && put_option(f, FRAME_FLAGS, &flags, sizeof(flags));
	if (frame->lost)
		whole = whole && put_option(f, FRAME_DROPCOUNT, &frame->lost, sizeof(frame->lost));
	return end(f, start, whole);
}

int
pcapng_statistics(struct pcapng *f, unsigned interface, uint64_t time_ns, uint64_t received,
	uint64_t lost, const char *comment)
{
	size_t start = f->used;

	return end(f, start,
		begin(f, BLOCK_STATISTICS) && put_word(f, interface) && put_time(f, time_ns) &&
			put_text(f, OPTION_COMMENT, comment) &&
			put_option(f, STATISTICS_RECEIVED, &received, sizeof(received)) &&
			put_option(f, STATISTICS_LOST, &lost, sizeof(lost)));
}

void
pcapng_free(struct pcapng *f)
{
	free(f->bytes);
	memset(f, 0, sizeof(*f));
}
