/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the files are whatever a user has named.  Every offset in them is checked against the
 * file's size; nothing but numbers is taken from them.
 */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/kernel_file.h"
#include "lib/fd.h"

/* Offsets in a bzImage. */
#define SETUP_SECTS  0x1f1
#define SYSSIZE      0x1f4
#define BOOT_FLAG    0x1fe
#define HEADER_MAGIC 0x202
#define VERSION      0x206
#define XLOADFLAGS   0x236
#define PREF_ADDRESS 0x258
#define INIT_SIZE    0x260
#define HEADER_END   0x268

#define XLF_KERNEL_64 1

static uint16_t
read16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
read32(const uint8_t *p)
{
	return (uint32_t)read16(p) | (uint32_t)read16(p + 2) << 16;
}

static uint64_t
read64(const uint8_t *p)
{
	return (uint64_t)read32(p) | (uint64_t)read32(p + 4) << 32;
}

static int
bzimage_need(const uint8_t *head, uint64_t file_size, uint64_t *need)
{
	uint64_t setup = ((head[SETUP_SECTS] ? head[SETUP_SECTS] : 4u) + 1u) * 512u;
	uint64_t code = (uint64_t)read32(head + SYSSIZE) * 16;
	uint64_t address = read64(head + PREF_ADDRESS);

	if (read16(head + VERSION) < 0x20c || !(read16(head + XLOADFLAGS) & XLF_KERNEL_64))
		return -ENOTSUP;
	if (code == 0 || setup + code > file_size)
		return -ENODATA;
	if (address > UINT64_MAX - UINT32_MAX)
		return -ENOEXEC;
	*need = address + read32(head + INIT_SIZE);
	return 0;
}

static int
elf_need(const uint8_t *head, size_t size, uint64_t file_size, uint64_t *need)
{
	Elf64_Ehdr header;

	memcpy(&header, head, sizeof(header));
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
		header.e_machine != EM_X86_64)
		return -ENOTSUP;
	/* The program headers of every kernel are right behind the header. */
	if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
		header.e_phoff > size ||
		(size - header.e_phoff) / sizeof(Elf64_Phdr) < header.e_phnum)
		return -ENOEXEC;
	*need = 0;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr part;

		memcpy(&part, head + header.e_phoff + i * sizeof(part), sizeof(part));
		if (part.p_type != PT_LOAD)
			continue;
		if (part.p_offset > file_size || part.p_filesz > file_size - part.p_offset)
			return -ENODATA;
		if (part.p_filesz > part.p_memsz || part.p_paddr > UINT64_MAX - part.p_memsz)
			return -ENOEXEC;
		if (part.p_paddr + part.p_memsz > *need)
			*need = part.p_paddr + part.p_memsz;
	}
	return *need ? 0 : -ENOEXEC;
}

int
kernel_need(const uint8_t *head, size_t size, uint64_t file_size, uint64_t *need)
{
	if (size >= sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0)
		return elf_need(head, size, file_size, need);
	if (size < HEADER_END || read16(head + BOOT_FLAG) != 0xaa55 ||
		memcmp(head + HEADER_MAGIC, "HdrS", 4) != 0)
		return -ENOEXEC;
	return bzimage_need(head, file_size, need);
}

/* ---- files ---- */

/* The first bytes of a regular file; *size of them, -1 fails. */
static int
read_head(const char *what, const char *path, uint8_t *head, ssize_t *size, uint64_t *file_size,
	struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		r = err_set(
			err, -errno, "cannot open the %s %.300s: %s", what, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		r = err_set(err, -EINVAL, "the %s %.300s is not a regular file", what, path);
	if (r == 0) {
		*file_size = (uint64_t)st.st_size;
		*size = pread(fd, head, KERNEL_HEAD_SIZE, 0);
		if (*size < 0)
			r = err_set(err, -errno, "cannot read the %s %.300s: %s", what, path,
				strerror(errno));
	}
	fd_close(&fd);
	return r;
}

static int
refuse_kernel(const char *path, int r, struct err *err)
{
	if (r == -ENODATA)
		return err_set(err, r, "the kernel %.300s is truncated", path);
	if (r == -ENOTSUP)
		return err_set(
			err, r, "%.300s is not a 64-bit x86 kernel of Linux 3.8 or later", path);
	return err_set(err, r, "%.300s is not a kernel: neither a bzImage nor an ELF file", path);
}

static unsigned long
mib(uint64_t bytes)
{
	return (unsigned long)((bytes + (1u << 20) - 1) >> 20);
}

int
kernel_file_check(const struct vm_settings *vm, struct err *err)
{
	uint64_t kernel_size, initrd_size = 0, need;
	uint8_t head[KERNEL_HEAD_SIZE];
	ssize_t size;
	int r = read_head("kernel", vm->kernel, head, &size, &kernel_size, err);

	if (r)
		return r;
	r = kernel_need(head, (size_t)size, kernel_size, &need);
	if (r)
		return refuse_kernel(vm->kernel, r, err);
	if (need > vm->memory)
		return err_set(err, -ENOMEM,
			"the kernel %.200s needs %lu MiB of memory, the virtual machine has %lu MiB: "
			"give memory=%luM or more",
			vm->kernel, mib(need), mib(vm->memory), mib(need) * 3 / 2);
	if (!vm->initrd[0])
		return 0;
	r = read_head("initrd", vm->initrd, head, &size, &initrd_size, err);
	if (r)
		return r;
	if (initrd_size == 0)
		return err_set(err, -EINVAL, "the initrd %.300s is empty", vm->initrd);
	if (initrd_size > vm->memory || need > vm->memory - initrd_size)
		return err_set(err, -ENOMEM,
			"the initrd %.200s (%lu MiB) does not fit beside the kernel (%lu MiB) into %lu "
			"MiB: give memory=%luM or more",
			vm->initrd, mib(initrd_size), mib(need), mib(vm->memory),
			(mib(initrd_size) + mib(need)) * 3 / 2);
	return 0;
}
