/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 64-bit boot protocol of Linux, Documentation/arch/x86/boot.rst.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "launcher/boot_internal.h"
#include "launcher/layout.h"

#define BOOT_FLAG      0xaa55
#define PROTOCOL_MIN   0x020c
#define HEADER_MAGIC   0x53726448 /* "HdrS" */
#define SECTOR         512
#define SETUP_DEFAULT  4
#define ENTRY_64       0x200
#define LOADER_UNKNOWN 0xff
#define JUMP_TARGET    0x201 /* the byte that says where the header ends */

/* Where the kernel may be: where it prefers to be, else from 1 MiB upwards. */
static uint64_t
load_address(const struct ram *ram, const struct setup_header *header)
{
	uint64_t align = header->kernel_alignment;

	if (header->pref_address >= LAYOUT_HIGH_START &&
		ram_at(ram, header->pref_address, header->init_size))
		return header->pref_address;
	if (!header->relocatable_kernel || !align || (align & (align - 1)) || align > (1u << 30))
		return header->pref_address;
	return (LAYOUT_HIGH_START + align - 1) & ~(align - 1);
}

static int
check_header(const struct boot_image *image, const struct setup_header *header, struct err *err)
{
	const char *name = image->files->kernel;

	if (header->boot_flag != BOOT_FLAG || header->header != HEADER_MAGIC)
		return err_set(err, -EINVAL,
			"%s is not a kernel: neither a bzImage nor an ELF file", name);
	if (header->version < PROTOCOL_MIN || !(header->xloadflags & XLF_KERNEL_64))
		return err_set(err, -EINVAL,
			"%s is a kernel without 64-bit entry (boot protocol %u.%02u): take one for "
			"x86-64 of Linux 3.8 or later",
			name, header->version >> 8, header->version & 0xff);
	if (strlen(image->files->cmdline) > header->cmdline_size)
		return err_set(err, -EINVAL, "the command line has %zu bytes, %s takes %u",
			strlen(image->files->cmdline), name, header->cmdline_size);
	return 0;
}

static void
keep_header(struct boot_image *image, const uint8_t *head, const struct setup_header *header)
{
	struct boot_params *params =
		ram_at(image->ram, LAYOUT_ZERO_PAGE, sizeof(struct boot_params));
	size_t length = JUMP_TARGET + 1 + head[JUMP_TARGET] - offsetof(struct boot_params, hdr);

	if (length > sizeof(*header))
		length = sizeof(*header);
	memset(params, 0, sizeof(*params));
	memcpy(&params->hdr, header, length);
}

int
boot_bzimage(struct boot_image *image, const uint8_t *head, struct err *err)
{
	struct setup_header header;
	uint64_t offset;
	int rc;

	memcpy(&header, head + offsetof(struct boot_params, hdr), sizeof(header));
	rc = check_header(image, &header, err);
	if (rc)
		return rc;
	offset = ((header.setup_sects ? header.setup_sects : SETUP_DEFAULT) + 1u) * SECTOR;
	if (offset >= image->size || (uint64_t)header.syssize * 16 > image->size - offset)
		return err_set(err, -EINVAL, "%s is truncated: its header announces %llu bytes",
			image->files->kernel,
			(unsigned long long)(offset + (uint64_t)header.syssize * 16));
	image->start = load_address(image->ram, &header);
	image->end = image->start + header.init_size;
	if (header.init_size < image->size - offset)
		image->end = image->start + image->size - offset;
	if (image->end < image->start || image->end > image->ram->low)
		return boot_too_big(image, err);
	rc = boot_read_ram(image, offset, image->start, image->size - offset, err);
	if (rc)
		return rc;
	keep_header(image, head, &header);
	image->initrd_max = header.initrd_addr_max;
	image->entry = (struct boot_entry){
		.long_mode = true, .rip = image->start + ENTRY_64, .rsi = LAYOUT_ZERO_PAGE};
	return 0;
}

void
boot_write_zero_page(const struct boot_image *image)
{
	struct boot_params *params =
		ram_at(image->ram, LAYOUT_ZERO_PAGE, sizeof(struct boot_params));
	struct memory_piece pieces[MEMORY_PIECES_MAX];

	params->hdr.type_of_loader = LOADER_UNKNOWN;
	params->hdr.boot_flag = BOOT_FLAG;
	params->hdr.header = HEADER_MAGIC;
	params->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
	params->hdr.ramdisk_image = (uint32_t)image->initrd_at;
	params->hdr.ramdisk_size = (uint32_t)image->initrd_size;
	params->acpi_rsdp_addr = LAYOUT_ACPI;
	params->e820_entries = (uint8_t)boot_memory_map(image->ram, pieces);
	for (unsigned i = 0; i < params->e820_entries; i++)
		params->e820_table[i] = (struct boot_e820_entry){
			.addr = pieces[i].start, .size = pieces[i].size, .type = pieces[i].type};
}
