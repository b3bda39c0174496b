/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "launcher/acpi.h"
#include "launcher/aml.h"
#include "launcher/layout.h"
#include "launcher/legacy.h"

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t checksum_all, reserved[3];
} __attribute__((packed));

struct acpi_register {
	uint8_t space, bits, offset, access;
	uint64_t address;
} __attribute__((packed));

struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint8_t fixed[62]; /* registers that hardware-reduced ACPI has not */
	uint8_t century;
	uint16_t boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct acpi_register reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct acpi_register fixed_registers[8], sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

struct acpi_local_apic {
	uint8_t type, length, uid, id;
	uint32_t flags;
} __attribute__((packed));

struct acpi_local_apic_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t pin;
} __attribute__((packed));

struct acpi_io_apic {
	uint8_t type, length, id, reserved;
	uint32_t address, first;
} __attribute__((packed));

struct acpi_mcfg {
	uint64_t reserved, base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved1;
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT of revision 6");
_Static_assert(offsetof(struct acpi_fadt, century) == 108, "FADT");
_Static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP of revision 2");

#define SPACE_IO        1
#define ACCESS_BYTE     1
#define PROFILE_SERVER  4
#define FADT_REVISION   6
#define FADT_MINOR      4
#define FADT_WBINVD     (1u << 0)
#define FADT_PROC_C1    (1u << 2)
#define FADT_PWR_BUTTON (1u << 4)
#define FADT_SLP_BUTTON (1u << 5)
#define FADT_RESET_REG  (1u << 10)
#define FADT_HW_REDUCED (1u << 20)
#define BOOT_NO_VGA     (1u << 2)
#define BOOT_NO_ASPM    (1u << 4)
#define CMOS_CENTURY    50
#define MADT_LOCAL_APIC 0
#define MADT_IO_APIC    1
#define MADT_LOCAL_NMI  4
#define UID_ALL         0xff
#define TABLES_MAX      8
#define OP_NOTIFY       0x86
#define NOTIFY_PUSHED   0x80

/* One table is being written at a time, behind those that are complete. */
struct acpi {
	struct aml out;
	uint64_t tables[TABLES_MAX];
	unsigned count;
	uint64_t dsdt;
};

static uint8_t
checksum(const void *bytes, size_t count)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	while (count--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

static size_t
table_begin(struct acpi *acpi, const char *signature, uint8_t revision)
{
	struct acpi_header header = {.revision = revision,
		.oem = {'P', 'A', 'T', 'C', 'H', 'B'},
		.oem_table = {'L', 'A', 'U', 'N', 'C', 'H', 'E', 'R'},
		.oem_revision = 1,
		.creator = {'P', 'B', 'A', 'Y'},
		.creator_revision = 1};
	size_t at = (acpi->out.used + 15) & ~(size_t)15;

	memcpy(header.signature, signature, sizeof(header.signature));
	acpi->out.used = at;
	aml_bytes(&acpi->out, &header, sizeof(header));
	return at;
}

static uint64_t
table_end(struct acpi *acpi, size_t at)
{
	struct acpi_header *header = (struct acpi_header *)(void *)(acpi->out.bytes + at);

	if (acpi->out.used > acpi->out.size)
		return 0; /* acpi_write() tells */
	header->length = (uint32_t)(acpi->out.used - at);
	header->checksum = 0;
	header->checksum = checksum(header, header->length);
	return LAYOUT_ACPI + at;
}

static void
table_list(struct acpi *acpi, uint64_t address)
{
	acpi->tables[acpi->count++] = address;
}

/* ---- DSDT ---- */

static void
identify(struct aml *aml, const char *id, uint64_t unit)
{
	aml_name(aml, "_HID");
	aml_eisa(aml, id);
	aml_name(aml, "_UID");
	aml_integer(aml, unit);
}

static void
write_pci_root(struct aml *aml)
{
	size_t device = aml_device(aml, "PCI0"), resources;

	identify(aml, "PNP0A08", 0);
	aml_name(aml, "_CID");
	aml_eisa(aml, "PNP0A03");
	aml_name(aml, "_SEG");
	aml_integer(aml, 0);
	aml_name(aml, "_BBN");
	aml_integer(aml, 0);
	resources = aml_resources(aml);
	aml_window(aml, AML_BUS, 0, 0);
	aml_io(aml, PORT_PCI, 8);
	aml_window(aml, AML_MEMORY, LAYOUT_PCI_WINDOW, LAYOUT_PCI_WINDOW + LAYOUT_PCI_SIZE - 1);
	aml_resources_end(aml, resources);
	aml_end(aml, device);
}

static void
write_boards(struct aml *aml)
{
	size_t device = aml_device(aml, "MBRD"), resources;

	identify(aml, "PNP0C02", 0);
	resources = aml_resources(aml);
	aml_memory(aml, LAYOUT_ECAM, LAYOUT_ECAM_SIZE);
	aml_io(aml, PORT_POWER, POWER_PORTS);
	aml_resources_end(aml, resources);
	aml_end(aml, device);

	device = aml_device(aml, "COM1");
	identify(aml, "PNP0501", 1);
	resources = aml_resources(aml);
	aml_io(aml, PORT_COM1, 8);
	aml_interrupt(aml, IRQ_COM1);
	aml_resources_end(aml, resources);
	aml_end(aml, device);

	device = aml_device(aml, "RTC_");
	identify(aml, "PNP0B00", 0);
	resources = aml_resources(aml);
	aml_io(aml, PORT_CMOS, 2);
	aml_resources_end(aml, resources);
	aml_end(aml, device);
}

/* The generic event device has one interrupt, and that is the button. */
static void
write_button(struct aml *aml)
{
	size_t device = aml_device(aml, "PWRB"), resources, method;

	identify(aml, "PNP0C0C", 0);
	aml_end(aml, device);

	device = aml_device(aml, "GED_");
	aml_name(aml, "_HID");
	aml_string(aml, "ACPI0013");
	aml_name(aml, "_UID");
	aml_integer(aml, 0);
	resources = aml_resources(aml);
	aml_interrupt(aml, IRQ_BUTTON);
	aml_resources_end(aml, resources);
	method = aml_method(aml, "_EVT", 1);
	aml_byte(aml, OP_NOTIFY);
	aml_bytes(aml, "PWRB", 4);
	aml_integer(aml, NOTIFY_PUSHED);
	aml_end(aml, method);
	aml_end(aml, device);
}

static void
write_cpus(struct aml *aml, unsigned cpus)
{
	static const char digits[] = "0123456789ABCDEF";

	for (unsigned i = 0; i < cpus; i++) {
		const char name[] = {'C', 'P', digits[i >> 4 & 15], digits[i & 15]};
		size_t device = aml_device(aml, name);

		aml_name(aml, "_HID");
		aml_string(aml, "ACPI0007");
		aml_name(aml, "_UID");
		aml_integer(aml, i);
		aml_end(aml, device);
	}
}

static void
write_dsdt(struct acpi *acpi, unsigned cpus)
{
	struct aml *aml = &acpi->out;
	size_t table = table_begin(acpi, "DSDT", 2), scope = aml_scope(aml, "_SB_"), package;

	write_cpus(aml, cpus);
	write_pci_root(aml);
	write_boards(aml);
	write_button(aml);
	aml_end(aml, scope);
	aml_name(aml, "_S5_");
	package = aml_package(aml, 4);
	aml_integer(aml, POWER_TYPE_S5);
	aml_integer(aml, POWER_TYPE_S5);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_end(aml, package);
	acpi->dsdt = table_end(acpi, table);
}

/* ---- the others ---- */

static struct acpi_register
power_register(unsigned offset)
{
	return (struct acpi_register){.space = SPACE_IO,
		.bits = 8,
		.access = ACCESS_BYTE,
		.address = PORT_POWER + offset};
}

static void
write_fadt(struct acpi *acpi)
{
	size_t at = table_begin(acpi, "FACP", FADT_REVISION);
	struct acpi_fadt fadt = {.profile = PROFILE_SERVER,
		.century = CMOS_CENTURY,
		.boot_arch = BOOT_NO_VGA | BOOT_NO_ASPM,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_PWR_BUTTON | FADT_SLP_BUTTON |
			 FADT_RESET_REG | FADT_HW_REDUCED,
		.reset = power_register(POWER_RESET),
		.reset_value = POWER_RESET_VALUE,
		.minor = FADT_MINOR,
		.x_dsdt = acpi->dsdt,
		.sleep_control = power_register(POWER_SLEEP_CONTROL),
		.sleep_status = power_register(POWER_SLEEP_STATUS)};

	aml_bytes(&acpi->out, (uint8_t *)&fadt + sizeof(struct acpi_header),
		sizeof(fadt) - sizeof(struct acpi_header));
	table_list(acpi, table_end(acpi, at));
}

static void
write_madt(struct acpi *acpi, unsigned cpus)
{
	const struct {
		uint32_t address, flags;
	} head = {LAYOUT_LAPIC, 0};
	const struct acpi_io_apic io = {
		.type = MADT_IO_APIC, .length = sizeof(io), .id = 0, .address = LAYOUT_IOAPIC};
	const struct acpi_local_apic_nmi nmi = {
		.type = MADT_LOCAL_NMI, .length = sizeof(nmi), .uid = UID_ALL, .pin = 1};
	size_t at = table_begin(acpi, "APIC", 5);

	aml_bytes(&acpi->out, &head, sizeof(head));
	for (unsigned i = 0; i < cpus; i++) {
		const struct acpi_local_apic local = {.type = MADT_LOCAL_APIC,
			.length = sizeof(local),
			.uid = (uint8_t)i,
			.id = (uint8_t)i,
			.flags = 1};

		aml_bytes(&acpi->out, &local, sizeof(local));
	}
	aml_bytes(&acpi->out, &io, sizeof(io));
	aml_bytes(&acpi->out, &nmi, sizeof(nmi));
	table_list(acpi, table_end(acpi, at));
}

static void
write_mcfg(struct acpi *acpi)
{
	const struct acpi_mcfg mcfg = {.base = LAYOUT_ECAM};
	size_t at = table_begin(acpi, "MCFG", 1);

	aml_bytes(&acpi->out, &mcfg, sizeof(mcfg));
	table_list(acpi, table_end(acpi, at));
}

int
acpi_write(const struct ram *ram, unsigned cpus, struct err *err)
{
	struct acpi acpi = {.out = {.bytes = ram_at(ram, LAYOUT_ACPI, LAYOUT_ACPI_SIZE),
				    .size = LAYOUT_ACPI_SIZE,
				    .used = sizeof(struct acpi_rsdp)}};
	struct acpi_rsdp rsdp = {.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
		.oem = {'P', 'A', 'T', 'C', 'H', 'B'},
		.revision = 2,
		.length = sizeof(rsdp)};
	size_t at;

	write_dsdt(&acpi, cpus);
	write_fadt(&acpi);
	write_madt(&acpi, cpus);
	write_mcfg(&acpi);
	at = table_begin(&acpi, "XSDT", 1);
	aml_bytes(&acpi.out, acpi.tables, acpi.count * sizeof(acpi.tables[0]));
	rsdp.xsdt = table_end(&acpi, at);
	rsdp.checksum = checksum(&rsdp, offsetof(struct acpi_rsdp, length));
	rsdp.checksum_all = checksum(&rsdp, sizeof(rsdp));
	if (acpi.out.used > acpi.out.size)
		return err_set(err, -ENOSPC, "the ACPI tables do not fit");
	memcpy(acpi.out.bytes, &rsdp, sizeof(rsdp));
	return 0;
}
