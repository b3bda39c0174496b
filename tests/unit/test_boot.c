/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels and files that are none: what is loaded where, and what the errors say.
 */
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/acpi.h"
#include "launcher/boot.h"
#include "launcher/layout.h"

#define MEMORY  (64u << 20)
#define PAYLOAD 4096
#define LOAD    (16u << 20)

struct image {
	struct ram ram;
	int kernel, initrd;
	struct boot_files files;
	struct boot_entry entry;
	struct err err;
};

static int
set_up(void **state)
{
	static struct image image;
	const struct ram_options options = {.size = MEMORY};

	image = (struct image){.kernel = memfd_create("kernel", 0), .initrd = -1};
	*state = &image;
	return image.kernel < 0 ? -1 : ram_create(&image.ram, &options, &image.err);
}

static int
tear_down(void **state)
{
	struct image *image = *state;

	ram_destroy(&image->ram);
	close(image->kernel);
	if (image->initrd >= 0)
		close(image->initrd);
	return 0;
}

static int
load(struct image *image)
{
	image->files = (struct boot_files){.kernel = "vmlinuz",
		.initrd = "initrd",
		.cmdline = "console=ttyS0",
		.kernel_fd = image->kernel,
		.initrd_fd = image->initrd};
	image->err = (struct err){0};
	return boot_load(&image->ram, &image->files, &image->entry, &image->err);
}

static void
put(int fd, const void *bytes, size_t count, off_t at)
{
	assert_int_equal(pwrite(fd, bytes, count, at), count);
}

static void
write_bzimage(struct image *image, const struct setup_header *header)
{
	static const uint8_t code[PAYLOAD] = {0xf4};

	put(image->kernel, header, sizeof(*header), offsetof(struct boot_params, hdr));
	put(image->kernel, code, sizeof(code), 2 * 512);
}

static const struct setup_header good = {.setup_sects = 1,
	.syssize = PAYLOAD / 16,
	.boot_flag = 0xaa55,
	.jump = 0x6aeb,
	.header = 0x53726448,
	.version = 0x20f,
	.initrd_addr_max = 0x7fffffff,
	.kernel_alignment = 2u << 20,
	.relocatable_kernel = 1,
	.xloadflags = XLF_KERNEL_64,
	.cmdline_size = 2047,
	.pref_address = LOAD,
	.init_size = 8u << 20};

static void
test_bzimage(void **state)
{
	struct image *image = *state;
	const struct boot_params *params;

	write_bzimage(image, &good);
	assert_int_equal(load(image), 0);
	assert_true(image->entry.long_mode);
	assert_int_equal(image->entry.rip, LOAD + 0x200);
	assert_int_equal(*(uint8_t *)ram_at(&image->ram, LOAD, 1), 0xf4);
	params = ram_at(&image->ram, image->entry.rsi, sizeof(*params));
	assert_int_equal(params->hdr.version, 0x20f);
	assert_int_equal(params->acpi_rsdp_addr, LAYOUT_ACPI);
	assert_string_equal(
		(char *)ram_at(&image->ram, params->hdr.cmd_line_ptr, 64), "console=ttyS0");
	assert_int_equal(params->e820_table[0].type, 1);
}

/* Who jumps to the firmware of a PC resets the machine. */
static void
test_firmware(void **state)
{
	static const uint8_t code[] = {0xba, 0x02, 0x06, 0xb0, 0x01, 0xee, 0xf4, 0xeb, 0xfd};
	struct image *image = *state;

	write_bzimage(image, &good);
	assert_int_equal(load(image), 0);
	assert_int_equal(acpi_write(&image->ram, 64, &image->err), 0);
	assert_memory_equal(ram_at(&image->ram, 0xffff0, sizeof(code)), code, sizeof(code));
}

static void
test_bzimage_refused(void **state)
{
	struct image *image = *state;
	struct setup_header header = good;

	assert_int_equal(load(image), -EINVAL); /* empty */
	assert_non_null(strstr(image->err.text, "vmlinuz"));
	header.header = 0;
	write_bzimage(image, &header);
	assert_int_equal(load(image), -EINVAL);
	header = good;
	header.xloadflags = 0;
	write_bzimage(image, &header);
	assert_int_equal(load(image), -EINVAL);
	assert_non_null(strstr(image->err.text, "64-bit"));
	header = good;
	header.syssize = UINT32_MAX;
	write_bzimage(image, &header);
	assert_int_equal(load(image), -EINVAL);
	assert_non_null(strstr(image->err.text, "truncated"));
	header = good;
	header.init_size = UINT32_MAX;
	write_bzimage(image, &header);
	assert_int_equal(load(image), -EFBIG);
	header = good;
	header.pref_address = UINT64_MAX - 4096;
	header.relocatable_kernel = 0;
	write_bzimage(image, &header);
	assert_int_equal(load(image), -EFBIG);
	header = good;
	header.cmdline_size = 3;
	write_bzimage(image, &header);
	assert_int_equal(load(image), -EINVAL);
	assert_non_null(strstr(image->err.text, "command line"));
}

static void
test_initrd(void **state)
{
	struct image *image = *state;
	const struct boot_params *params;

	write_bzimage(image, &good);
	image->initrd = memfd_create("initrd", 0);
	assert_int_equal(load(image), -EINVAL); /* empty */
	put(image->initrd, "cpio", 4, 0);
	assert_int_equal(load(image), 0);
	params = ram_at(&image->ram, LAYOUT_ZERO_PAGE, sizeof(*params));
	assert_memory_equal(ram_at(&image->ram, params->hdr.ramdisk_image, 4), "cpio", 4);
	assert_int_equal(params->hdr.ramdisk_size, 4);
	assert_int_equal(ftruncate(image->initrd, 48 << 20), 0);
	assert_int_equal(load(image), -EFBIG);
	assert_non_null(strstr(image->err.text, "initrd"));
	assert_int_equal(ftruncate(image->initrd, (off_t)1 << 40), 0);
	assert_int_equal(load(image), -EFBIG);
}

struct elf {
	Elf64_Ehdr head;
	Elf64_Phdr segments[2];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t entry;
	} note;
};

static struct elf
elf_image(void)
{
	struct elf elf = {.head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					   ELFDATA2LSB, EV_CURRENT},
				  .e_type = ET_EXEC,
				  .e_machine = EM_X86_64,
				  .e_entry = LOAD,
				  .e_phoff = offsetof(struct elf, segments),
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_phnum = 2},
		.segments = {{.p_type = PT_LOAD, .p_paddr = LOAD, .p_filesz = 64, .p_memsz = 4096},
			{.p_type = PT_NOTE,
				.p_offset = offsetof(struct elf, note),
				.p_filesz = sizeof(elf.note)}},
		.note = {.head = {.n_namesz = 4, .n_descsz = 4, .n_type = 18},
			.name = "Xen",
			.entry = LOAD + 16}};
	return elf;
}

static void
test_elf(void **state)
{
	struct image *image = *state;
	struct elf elf = elf_image();

	put(image->kernel, &elf, sizeof(elf), 0);
	assert_int_equal(load(image), 0);
	assert_false(image->entry.long_mode);
	assert_int_equal(image->entry.rip, LOAD + 16);
	assert_int_equal(*(uint32_t *)ram_at(&image->ram, image->entry.rbx, 4), 0x336ec578);
	elf.note.head.n_type = 1;
	put(image->kernel, &elf, sizeof(elf), 0);
	assert_int_equal(load(image), 0);
	assert_true(image->entry.long_mode);
	assert_int_equal(image->entry.rip, LOAD);
}

static void
test_elf_refused(void **state)
{
	struct image *image = *state;
	struct elf elf = elf_image();

	elf.head.e_machine = EM_AARCH64;
	put(image->kernel, &elf, sizeof(elf), 0);
	assert_int_equal(load(image), -EINVAL);
	elf = elf_image();
	elf.segments[0].p_paddr = UINT64_MAX - 16;
	put(image->kernel, &elf, sizeof(elf), 0);
	assert_int_equal(load(image), -EFBIG);
	elf = elf_image();
	elf.segments[0].p_offset = UINT64_MAX - 8;
	put(image->kernel, &elf, sizeof(elf), 0);
	assert_int_equal(load(image), -EINVAL);
	elf = elf_image();
	elf.segments[0].p_filesz = 8192;
	put(image->kernel, &elf, sizeof(elf), 0);
	assert_int_equal(load(image), -EINVAL);
	elf = elf_image();
	elf.note.entry = 4096;
	put(image->kernel, &elf, sizeof(elf), 0);
	assert_int_equal(load(image), -EINVAL);
	elf = elf_image();
	elf.note.head.n_namesz = UINT32_MAX;
	put(image->kernel, &elf, sizeof(elf), 0);
	assert_int_equal(load(image), 0); /* a note that nobody can read is none */
	assert_int_equal(ftruncate(image->kernel, 100), 0);
	assert_int_equal(load(image), -EINVAL);
}

static uint8_t
sum(const uint8_t *bytes, size_t count)
{
	uint8_t total = 0;

	while (count--)
		total = (uint8_t)(total + *bytes++);
	return total;
}

static void
test_acpi_tables(void **state)
{
	struct image *image = *state;
	const uint8_t *rsdp = ram_at(&image->ram, LAYOUT_ACPI, 36), *xsdt;
	uint64_t at;
	uint32_t length;

	assert_int_equal(acpi_write(&image->ram, 3, &image->err), 0);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	memcpy(&at, rsdp + 24, sizeof(at));
	xsdt = ram_at(&image->ram, at, 36);
	assert_memory_equal(xsdt, "XSDT", 4);
	memcpy(&length, xsdt + 4, sizeof(length));
	assert_int_equal(sum(xsdt, length), 0);
	assert_int_equal(length, 36 + 3 * 8);
	for (unsigned i = 36; i < length; i += 8) {
		static const char *const names[] = {"FACP", "APIC", "MCFG"};
		const uint8_t *table;
		uint32_t size;

		memcpy(&at, xsdt + i, sizeof(at));
		table = ram_at(&image->ram, at, 36);
		assert_memory_equal(table, names[(i - 36) / 8], 4);
		memcpy(&size, table + 4, sizeof(size));
		assert_int_equal(sum(table, size), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bzimage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bzimage_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_firmware, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_initrd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_elf, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_elf_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_acpi_tables, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
