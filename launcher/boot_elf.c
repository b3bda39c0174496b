/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ELF kernels, and the PVH way to enter one: Xen docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "launcher/boot_internal.h"
#include "launcher/layout.h"

#define SEGMENTS_MAX     32
#define NOTES_SIZE_MAX   4096
#define NOTE_PHYS32      18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define START_INFO_MAGIC 0x336ec578
#define START_INFO_V1    1

struct start_info {
	uint32_t magic, version, flags, modules;
	uint64_t module_list, cmdline, rsdp, memory_map;
	uint32_t memory_entries, reserved;
};

struct start_module {
	uint64_t address, size, cmdline, reserved;
};

struct start_memory {
	uint64_t address, size;
	uint32_t type, reserved;
};

/* The entry that a note of Xen names; 0 = none. */
static uint64_t
note_entry(const uint8_t *notes, size_t length)
{
	size_t at = 0;

	while (length - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name, value;
		uint64_t entry = 0;

		memcpy(&note, notes + at, sizeof(note));
		at += sizeof(note);
		name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		value = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name > length - at || value > length - at - name)
			return 0;
		if (note.n_type == NOTE_PHYS32 && note.n_namesz == 4 &&
			!memcmp(notes + at, "Xen", 4) && note.n_descsz >= 4) {
			memcpy(&entry, notes + at + name, note.n_descsz >= 8 ? 8 : 4);
			return entry;
		}
		at += name + value;
	}
	return 0;
}

static int
load_note(struct boot_image *image, const Elf64_Phdr *segment, struct err *err)
{
	uint8_t notes[NOTES_SIZE_MAX];
	uint64_t entry;
	int rc;

	if (segment->p_filesz > sizeof(notes))
		return 0; /* not a note that we look for */
	rc = boot_read(image, segment->p_offset, notes, segment->p_filesz, err);
	if (rc)
		return rc;
	entry = note_entry(notes, segment->p_filesz);
	if (entry)
		image->entry = (struct boot_entry){.rip = entry, .rbx = LAYOUT_PVH_INFO};
	return 0;
}

static int
load_segment(struct boot_image *image, const Elf64_Phdr *segment, struct err *err)
{
	uint64_t end = segment->p_paddr + segment->p_memsz;

	if (!segment->p_memsz)
		return 0;
	if (segment->p_filesz > segment->p_memsz || end < segment->p_paddr ||
		end > image->ram->low || segment->p_paddr < LAYOUT_HIGH_START)
		return err_set(err, segment->p_filesz > segment->p_memsz ? -EINVAL : -EFBIG,
			"%s has a segment at 0x%llx of %llu bytes, which is not in the memory above "
			"1 MiB",
			image->files->kernel, (unsigned long long)segment->p_paddr,
			(unsigned long long)segment->p_memsz);
	if (!image->start || segment->p_paddr < image->start)
		image->start = segment->p_paddr;
	if (end > image->end)
		image->end = end;
	return boot_read_ram(image, segment->p_offset, segment->p_paddr, segment->p_filesz, err);
}

int
boot_elf(struct boot_image *image, const uint8_t *head, struct err *err)
{
	const char *name = image->files->kernel;
	Elf64_Phdr segments[SEGMENTS_MAX];
	Elf64_Ehdr elf;
	int rc;

	memcpy(&elf, head, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB ||
		elf.e_machine != EM_X86_64 || elf.e_type != ET_EXEC ||
		elf.e_phentsize != sizeof(Elf64_Phdr) || !elf.e_phnum || elf.e_phnum > SEGMENTS_MAX)
		return err_set(err, -EINVAL, "%s is an ELF file, but no kernel for x86-64", name);
	rc = boot_read(image, elf.e_phoff, segments, elf.e_phnum * sizeof(segments[0]), err);
	image->entry =
		(struct boot_entry){.long_mode = true, .rip = elf.e_entry, .rsi = LAYOUT_ZERO_PAGE};
	for (unsigned i = 0; i < elf.e_phnum && !rc; i++) {
		if (segments[i].p_type == PT_LOAD)
			rc = load_segment(image, &segments[i], err);
		else if (segments[i].p_type == PT_NOTE)
			rc = load_note(image, &segments[i], err);
	}
	if (rc)
		return rc;
	if (image->entry.rip < image->start || image->entry.rip >= image->end)
		return err_set(err, -EINVAL, "%s begins at 0x%llx, where nothing of it is loaded",
			name, (unsigned long long)image->entry.rip);
	return 0;
}

void
boot_write_pvh(const struct boot_image *image)
{
	uint8_t *at = ram_at(image->ram, LAYOUT_PVH_INFO, 4096);
	struct start_info *info = (struct start_info *)(void *)at;
	struct start_module *module = (struct start_module *)(void *)(at + sizeof(*info));
	struct start_memory *memory = (struct start_memory *)(void *)(module + 1);
	struct memory_piece pieces[MEMORY_PIECES_MAX];
	const uint64_t base = LAYOUT_PVH_INFO;

	*info = (struct start_info){.magic = START_INFO_MAGIC,
		.version = START_INFO_V1,
		.modules = image->initrd_size ? 1 : 0,
		.module_list = base + sizeof(*info),
		.cmdline = LAYOUT_CMDLINE,
		.rsdp = LAYOUT_ACPI,
		.memory_map = base + sizeof(*info) + sizeof(*module),
		.memory_entries = boot_memory_map(image->ram, pieces)};
	*module = (struct start_module){.address = image->initrd_at, .size = image->initrd_size};
	for (unsigned i = 0; i < info->memory_entries; i++)
		memory[i] = (struct start_memory){
			.address = pieces[i].start, .size = pieces[i].size, .type = pieces[i].type};
}
