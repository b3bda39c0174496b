/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the kernel's file may be anything.  Every number in it is checked against the file's
 * size and the memory before it is used.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/boot_internal.h"
#include "launcher/layout.h"
#include "launcher/legacy.h"

#define PAGE UINT64_C(4096)

static int
read_all(int fd, uint64_t offset, void *to, uint64_t length)
{
	uint8_t *at = to;

	while (length) {
		ssize_t n = pread(fd, at, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		at += n;
		offset += (uint64_t)n;
		length -= (uint64_t)n;
	}
	return 0;
}

int
boot_read(struct boot_image *image, uint64_t offset, void *to, uint64_t length, struct err *err)
{
	int rc;

	if (offset > image->size || length > image->size - offset)
		return err_set(err, -EINVAL,
			"%s is truncated: it says that it has more than its "
			"%llu bytes",
			image->files->kernel, (unsigned long long)image->size);
	rc = read_all(image->files->kernel_fd, offset, to, length);
	if (rc)
		return err_set(err, rc, "reading %s: %s", image->files->kernel, strerror(-rc));
	return 0;
}

int
boot_too_big(const struct boot_image *image, struct err *err)
{
	return err_set(err, -EFBIG,
		"%s does not fit into %llu MiB of memory: give the machine more",
		image->files->kernel, (unsigned long long)(image->ram->size >> 20));
}

int
boot_read_ram(struct boot_image *image, uint64_t offset, uint64_t address, uint64_t length,
	struct err *err)
{
	void *to = length ? ram_at(image->ram, address, length) : NULL;

	if (!length)
		return 0;
	if (!to || address < LAYOUT_HIGH_START)
		return boot_too_big(image, err);
	return boot_read(image, offset, to, length, err);
}

unsigned
boot_memory_map(const struct ram *ram, struct memory_piece *pieces)
{
	unsigned n = 0;

	pieces[n++] = (struct memory_piece){0, LAYOUT_LOW_END, E820_USABLE};
	pieces[n++] = (struct memory_piece){
		LAYOUT_LOW_END, LAYOUT_HIGH_START - LAYOUT_LOW_END, E820_RESERVED};
	pieces[n++] =
		(struct memory_piece){LAYOUT_HIGH_START, ram->low - LAYOUT_HIGH_START, E820_USABLE};
	pieces[n++] = (struct memory_piece){LAYOUT_ECAM, LAYOUT_ECAM_SIZE, E820_RESERVED};
	if (ram->size > ram->low)
		pieces[n++] =
			(struct memory_piece){LAYOUT_RAM_HIGH, ram->size - ram->low, E820_USABLE};
	return n;
}

/* As high as it may be, so that it is not in the way of a kernel that unpacks itself. */
static int
load_initrd(struct boot_image *image, struct err *err)
{
	const char *name = image->files->initrd;
	int fd = image->files->initrd_fd, rc;
	uint64_t limit = image->ram->low;
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return err_set(err, -EINVAL, "%s is empty or not a file", name);
	if (image->initrd_max < limit)
		limit = image->initrd_max + 1;
	image->initrd_size = (uint64_t)st.st_size;
	if (image->initrd_size > limit)
		limit = image->initrd_size; /* fails below */
	image->initrd_at = (limit - image->initrd_size) & ~(PAGE - 1);
	if (image->initrd_at < image->end ||
		!ram_at(image->ram, image->initrd_at, image->initrd_size))
		return err_set(err, -EFBIG,
			"%s (%llu MiB) and the kernel, which needs the first %llu MiB, do not fit "
			"into %llu MiB of memory: give the machine more",
			name, (unsigned long long)(image->initrd_size >> 20),
			(unsigned long long)(image->end >> 20),
			(unsigned long long)(image->ram->size >> 20));
	rc = read_all(fd, 0, ram_at(image->ram, image->initrd_at, image->initrd_size),
		image->initrd_size);
	return rc ? err_set(err, rc, "reading %s: %s", name, strerror(-rc)) : 0;
}

/* The first 4 GiB at their own addresses, in pages of 2 MiB. */
void
boot_write_page_tables(struct ram *ram)
{
	uint64_t *table = ram_at(ram, LAYOUT_PAGE_TABLES, 6 * PAGE);
	const uint64_t present = 0x3, large = 0x83;

	table[0] = (LAYOUT_PAGE_TABLES + PAGE) | present;
	for (unsigned i = 0; i < 4; i++)
		table[512 + i] = (LAYOUT_PAGE_TABLES + (2 + i) * PAGE) | present;
	for (unsigned i = 0; i < 4 * 512; i++)
		table[1024 + i] = ((uint64_t)i << 21) | large;
}

/* Flat segments at the selectors that the boot protocols name. */
static void
write_segments(struct ram *ram, bool long_mode)
{
	uint64_t *table = ram_at(ram, LAYOUT_GDT, 5 * sizeof(*table));

	table[2] = long_mode ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
	table[3] = 0x00cf93000000ffff;
	table[4] = 0x0000008b00000067;
}

/*
 * There is no firmware, but a PC that is to start again may be sent to its first instruction, in real
 * mode: Linux does that where ACPI is hardware-reduced and there is no EFI, and never comes to the
 * reset register.  So what stands there writes to it.
 */
static void
write_firmware(struct ram *ram)
{
	const uint16_t port = PORT_POWER + POWER_RESET;
	const uint8_t code[] = {
		0xba, port & 0xff, port >> 8, /* mov dx, port */
		0xb0, POWER_RESET_VALUE,      /* mov al, value */
		0xee,                         /* out dx, al */
		0xf4, 0xeb, 0xfd,             /* hlt, for ever */
	};

	memcpy(ram_at(ram, LAYOUT_FIRMWARE, sizeof(code)), code, sizeof(code));
}

static int
load_kernel(struct boot_image *image, struct err *err)
{
	uint8_t head[BOOT_HEAD] = {0};
	struct stat st;
	int rc;

	if (fstat(image->files->kernel_fd, &st) < 0)
		return err_set(err, -errno, "%s: %s", image->files->kernel, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is not a file", image->files->kernel);
	image->size = (uint64_t)st.st_size;
	rc = boot_read(
		image, 0, head, image->size < sizeof(head) ? image->size : sizeof(head), err);
	if (rc)
		return rc;
	if (!memcmp(head, ELFMAG, SELFMAG))
		return boot_elf(image, head, err);
	return boot_bzimage(image, head, err);
}

int
boot_load(
	struct ram *ram, const struct boot_files *files, struct boot_entry *entry, struct err *err)
{
	struct boot_image image = {.ram = ram, .files = files, .initrd_max = UINT32_MAX};
	size_t length = strlen(files->cmdline) + 1;
	int rc = load_kernel(&image, err);

	if (!rc)
		rc = load_initrd(&image, err);
	if (rc)
		return rc;
	memcpy(ram_at(ram, LAYOUT_CMDLINE, length), files->cmdline, length);
	write_firmware(ram);
	write_segments(ram, image.entry.long_mode);
	if (image.entry.long_mode) {
		boot_write_page_tables(ram);
		boot_write_zero_page(&image);
	} else {
		boot_write_pvh(&image);
	}
	*entry = image.entry;
	return 0;
}
