/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest: what the programs of tests/guest/ stand on: a 64-bit kernel without a kernel, entered by
 * launcher/boot_elf.c with all memory below 4 GiB at its own address and interrupts off.  It uses
 * integer instructions only, so that it also runs where KVM emulates the processor.
 *
 * What it finds it says on the serial port, a line for each: "ok NAME", "bad NAME: WHAT".
 */
#ifndef TESTS_GUEST_GUEST_H
#define TESTS_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- ports and registers ---- */

static inline void
port_put(uint16_t port, unsigned length, uint32_t value)
{
	if (length == 1)
		__asm__ volatile("outb %b0, %1" : : "a"(value), "Nd"(port));
	else if (length == 2)
		__asm__ volatile("outw %w0, %1" : : "a"(value), "Nd"(port));
	else
		__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t
port_get(uint16_t port, unsigned length)
{
	uint32_t value = 0;

	if (length == 1)
		__asm__ volatile("inb %1, %b0" : "+a"(value) : "Nd"(port));
	else if (length == 2)
		__asm__ volatile("inw %1, %w0" : "+a"(value) : "Nd"(port));
	else
		__asm__ volatile("inl %1, %0" : "+a"(value) : "Nd"(port));
	return value;
}

static inline void
put(uint64_t address, unsigned length, uint64_t value)
{
	if (length == 1)
		*(volatile uint8_t *)address = (uint8_t)value;
	else if (length == 2)
		*(volatile uint16_t *)address = (uint16_t)value;
	else if (length == 4)
		*(volatile uint32_t *)address = (uint32_t)value;
	else
		*(volatile uint64_t *)address = value;
}

static inline uint64_t
get(uint64_t address, unsigned length)
{
	if (length == 1)
		return *(volatile uint8_t *)address;
	if (length == 2)
		return *(volatile uint16_t *)address;
	if (length == 4)
		return *(volatile uint32_t *)address;
	return *(volatile uint64_t *)address;
}

/* All bits that an access of this length reads. */
static inline uint64_t
ones(unsigned length)
{
	return length == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * length)) - 1;
}

/* ---- what it says ---- */

void say(const char *text);
void say_number(uint64_t value);
/* The lines that are about this from here on begin with it. */
void topic(const char *name);
/* "ok TOPIC: WHAT" when they are equal. */
void expect(const char *what, uint64_t got, uint64_t wanted);

/* Calls done(arg) until it says so or a second or more has gone by. */
bool await(bool (*done)(void *arg), void *arg);

/* ---- how it ends ---- */

_Noreturn void power_off(void);
_Noreturn void stand_still(void);

/* The programs, by the word on the command line: start.c. */
void run_honest(void);
void run_bus(void);
void run_driver(void);
void run_rings(void);
void run_net(void);
void run_disk(void);
void run_reboot(void);
void run_crash(void);
void run_shrink(void);
void run_lost(void);

#endif
