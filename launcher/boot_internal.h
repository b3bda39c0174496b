/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot_internal: what boot.c, boot_linux.c and boot_elf.c share.
 */
#ifndef LAUNCHER_BOOT_INTERNAL_H
#define LAUNCHER_BOOT_INTERNAL_H

#include "launcher/boot.h"

/* A kernel's file, and where it and the initrd came to lie. */
struct boot_image {
	struct ram *ram;
	const struct boot_files *files;
	uint64_t size;       /* of the kernel's file */
	uint64_t start, end; /* what the kernel takes, from its begin to its heap's end */
	uint64_t initrd_at, initrd_size; /* 0 = none */
	uint64_t initrd_max;             /* last address it may touch */
	struct boot_entry entry;
};

struct memory_piece {
	uint64_t start, size;
	uint32_t type; /* of e820: 1 usable, 2 reserved */
};
#define MEMORY_PIECES_MAX 5
#define E820_USABLE       1
#define E820_RESERVED     2

/* Reads from the kernel's file straight into memory: -EINVAL truncated, -EFBIG no room. */
int boot_read(
	struct boot_image *image, uint64_t offset, void *to, uint64_t length, struct err *err);
int boot_read_ram(struct boot_image *image, uint64_t offset, uint64_t address, uint64_t length,
	struct err *err);
int boot_too_big(const struct boot_image *image, struct err *err);

unsigned boot_memory_map(const struct ram *ram, struct memory_piece *pieces);

/* `head`: the first bytes of the file, zeros behind its end. */
#define BOOT_HEAD 4096
int boot_bzimage(struct boot_image *image, const uint8_t *head, struct err *err);
int boot_elf(struct boot_image *image, const uint8_t *head, struct err *err);

/* After the initrd was placed: what the entry's register points to. */
void boot_write_zero_page(const struct boot_image *image);
void boot_write_pvh(const struct boot_image *image);
void boot_write_page_tables(struct ram *ram);

#endif
