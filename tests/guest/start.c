/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "launcher/layout.h"
#include "launcher/legacy.h"
#include "tests/guest/guest.h"

#define LINE_STATUS       (PORT_COM1 + 5)
#define SLEEP_ENABLE      0x20
#define TURNS             200000 /* each leaves the guest: some microseconds */
#define ZERO_PAGE_CMDLINE 0x228

void start(uint64_t zero_page);

/* Entered in 64-bit mode, rsi: the zero page. */
__asm__(".pushsection .text.begin, \"ax\"\n"
	".globl begin\n"
	"begin:\n"
	"	lea guest_stack_end(%rip), %rsp\n"
	"	mov %rsi, %rdi\n"
	"	call start\n"
	".popsection\n"
	".pushsection .bss\n"
	".balign 16\n"
	".skip 32768\n"
	"guest_stack_end:\n"
	".popsection\n");

/* ---- what the compiler calls ---- */

void *
memset(void *to, int value, size_t length)
{
	uint8_t *at = to;

	while (length--)
		*(volatile uint8_t *)at++ = (uint8_t)value;
	return to;
}

void *
memcpy(void *restrict to, const void *restrict from, size_t length)
{
	const uint8_t *source = from;
	uint8_t *at = to;

	while (length--)
		*(volatile uint8_t *)at++ = *source++;
	return to;
}

/* ---- words ---- */

static const char *subject = "";

void
say(const char *text)
{
	for (; *text; text++)
		port_put(PORT_COM1, 1, (uint8_t)*text);
}

void
say_number(uint64_t value)
{
	say("0x");
	for (int shift = 60; shift >= 0; shift -= 4)
		if (value >> shift || !shift)
			port_put(PORT_COM1, 1, (uint8_t) "0123456789abcdef"[value >> shift & 15]);
}

void
topic(const char *name)
{
	subject = name;
}

void
expect(const char *what, uint64_t got, uint64_t wanted)
{
	say(got == wanted ? "ok " : "bad ");
	say(subject);
	say(": ");
	say(what);
	if (got != wanted) {
		say(": ");
		say_number(got);
		say(" instead of ");
		say_number(wanted);
	}
	say("\n");
}

bool
await(bool (*done)(void *arg), void *arg)
{
	for (unsigned i = 0; i < TURNS; i++) {
		if (done(arg))
			return true;
		port_get(LINE_STATUS, 1);
	}
	return false;
}

void
stand_still(void)
{
	for (;;)
		__asm__ volatile("hlt");
}

void
power_off(void)
{
	port_put(PORT_POWER + POWER_SLEEP_CONTROL, 1, SLEEP_ENABLE | POWER_TYPE_S5 << 2);
	stand_still();
}

static bool
is_word(const char *text, const char *word)
{
	while (*word && *text == *word) {
		text++;
		word++;
	}
	return !*word && !*text;
}

void
start(uint64_t zero_page)
{
	static const struct {
		const char *word;
		void (*run)(void);
	} programs[] = {{"honest", run_honest}, {"bus", run_bus}, {"driver", run_driver},
		{"rings", run_rings}, {"net", run_net}, {"disk", run_disk}, {"reboot", run_reboot},
		{"crash", run_crash}, {"shrink", run_shrink}, {"lost", run_lost},
		{"stand", stand_still}};
	const char *command = (const char *)get(zero_page + ZERO_PAGE_CMDLINE, 4);

	say("begin\n");
	for (unsigned i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (is_word(command, programs[i].word))
			programs[i].run();
	say("end\n");
	power_off();
}
