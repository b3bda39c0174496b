/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include "launcher/layout.h"
#include "launcher/legacy.h"
#include "lib/clock.h"

#define TIMER_REFRESH 0x10
#define TIMER_OUTPUT  0x20 /* channel 2 has counted down: nobody waits for it */

#define I8042_COMMAND 4
#define I8042_RESET   0xfe

#define CMOS_A         10
#define CMOS_B         11
#define CMOS_D         13
#define CMOS_CENTURY   50
#define CMOS_FREE      14 /* plain memory from here */
#define CMOS_B_24H     0x02
#define CMOS_A_DIVIDER 0x26
#define CMOS_D_VALID   0x80
/* A clock that is read piece by piece shows one moment. */
#define CMOS_MOMENT_NS 50000000

#define SLEEP_ENABLE 0x20

static uint64_t
timer_read(void *device, uint64_t offset, unsigned length)
{
	struct legacy *legacy = device;

	legacy->timer ^= TIMER_REFRESH;
	return legacy->timer | TIMER_OUTPUT;
}

static void
timer_write(void *device, uint64_t offset, unsigned length, uint64_t value)
{
	struct legacy *legacy = device;

	legacy->timer = value & 0xf;
}

/* Registers that say that nothing is the matter. */
static uint64_t
idle_read(void *device, uint64_t offset, unsigned length)
{
	return 0;
}

static void
i8042_write(void *device, uint64_t offset, unsigned length, uint64_t value)
{
	struct legacy *legacy = device;

	if (offset == 0 && (value & 0xff) == I8042_RESET)
		wish_raise(legacy->wish, WISH_RESET);
}

static uint8_t
bcd(int number)
{
	return (uint8_t)(number / 10 << 4 | number % 10);
}

static void
cmos_look(struct legacy *legacy)
{
	uint64_t at = clock_ns();
	time_t seconds = time(NULL);
	struct tm tm;

	if (legacy->clock_ns && at - legacy->clock_ns < CMOS_MOMENT_NS)
		return;
	legacy->clock_ns = at;
	gmtime_r(&seconds, &tm);
	legacy->cmos[0] = bcd(tm.tm_sec);
	legacy->cmos[2] = bcd(tm.tm_min);
	legacy->cmos[4] = bcd(tm.tm_hour);
	legacy->cmos[6] = (uint8_t)(tm.tm_wday + 1);
	legacy->cmos[7] = bcd(tm.tm_mday);
	legacy->cmos[8] = bcd(tm.tm_mon + 1);
	legacy->cmos[9] = bcd(tm.tm_year % 100);
	legacy->cmos[CMOS_CENTURY] = bcd(19 + tm.tm_year / 100);
	legacy->cmos[CMOS_A] = CMOS_A_DIVIDER;
	legacy->cmos[CMOS_B] = CMOS_B_24H;
	legacy->cmos[CMOS_D] = CMOS_D_VALID;
}

static uint64_t
cmos_read(void *device, uint64_t offset, unsigned length)
{
	struct legacy *legacy = device;

	if (offset != 1 || length != 1)
		return UINT64_MAX;
	cmos_look(legacy);
	return legacy->cmos[legacy->cmos_index];
}

static void
cmos_write(void *device, uint64_t offset, unsigned length, uint64_t value)
{
	struct legacy *legacy = device;

	if (offset == 0)
		legacy->cmos_index = value & (CMOS_SIZE - 1);
	else if (legacy->cmos_index >= CMOS_FREE && legacy->cmos_index != CMOS_CENTURY)
		legacy->cmos[legacy->cmos_index] = (uint8_t)value;
}

static void
power_write(void *device, uint64_t offset, unsigned length, uint64_t value)
{
	struct legacy *legacy = device;

	if (offset == POWER_SLEEP_CONTROL && (value & SLEEP_ENABLE) &&
		(value >> 2 & 7) == POWER_TYPE_S5)
		wish_raise(legacy->wish, WISH_SHUTDOWN);
	else if (offset == POWER_RESET && (value & 0xff) == POWER_RESET_VALUE)
		wish_raise(legacy->wish, WISH_RESET);
}

void
legacy_init(struct legacy *legacy, struct bus *bus, struct wish *wish)
{
	const struct bus_range ranges[] = {
		{.first = PORT_TIMER, .size = 1, .read = timer_read, .write = timer_write},
		{.first = PORT_I8042, .size = 1, .read = idle_read},
		{.first = PORT_I8042 + I8042_COMMAND,
			.size = 1,
			.read = idle_read,
			.write = i8042_write},
		{.first = PORT_CMOS, .size = 2, .read = cmos_read, .write = cmos_write},
		{.first = PORT_POWER, .size = POWER_PORTS, .read = idle_read, .write = power_write},
	};

	*legacy = (struct legacy){.wish = wish};
	tzset(); /* gmtime_r() would open a file, which threads may not */
	bus_add(bus, ranges, sizeof(ranges) / sizeof(ranges[0]), legacy);
}
