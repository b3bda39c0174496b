/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "datapath/check.h"
#include "datapath/classify.h"
#include "datapath/probe.h"

/* A locally administered group address, and the type that IEEE 802 leaves for experiments. */
static const uint8_t target[MAC_LEN] = {0x03, 0x50, 0x42, 0x4c, 0x47, 0x01};
static const uint8_t magic[] = {0x88, 0xb5, 'p', 'b', 'l', 'o', 'o', 'p', 0, 1};

/* Constant once the workers run. */
static uint8_t nonce[16];

/* What follows the Ethernet addresses. */
#define MAGIC_AT (2 * MAC_LEN)
#define NONCE_AT (MAGIC_AT + sizeof(magic))
#define PROBE_AT (NONCE_AT + sizeof(nonce))

_Static_assert(PROBE_AT + sizeof(struct probe) <= PROBE_LEN, "a probe fits");

int
probe_start(void)
{
	return getrandom(nonce, sizeof(nonce), 0) == (ssize_t)sizeof(nonce) ? 0 : -EIO;
}

void
probe_write(const struct probe *probe, uint8_t *bytes)
{
	/* An address of its own for each port: switches outside do not see one that moves. */
	const uint8_t source[MAC_LEN] = {0x06, nonce[0], nonce[1], nonce[2],
		(uint8_t)(probe->port >> 8), (uint8_t)probe->port};

	memset(bytes, 0, PROBE_LEN);
	memcpy(bytes, target, sizeof(target));
	memcpy(bytes + MAC_LEN, source, sizeof(source));
	memcpy(bytes + MAGIC_AT, magic, sizeof(magic));
	memcpy(bytes + NONCE_AT, nonce, sizeof(nonce));
	/* Read by ourselves only: in the order of this machine. */
	memcpy(bytes + PROBE_AT, probe, sizeof(*probe));
}

bool
probe_read(const uint8_t *bytes, unsigned len, struct probe *probe)
{
	if (len < PROBE_LEN || memcmp(bytes, target, sizeof(target)) != 0 ||
		memcmp(bytes + MAGIC_AT, magic, sizeof(magic)) != 0 ||
		memcmp(bytes + NONCE_AT, nonce, sizeof(nonce)) != 0)
		return false;
	memcpy(probe, bytes + PROBE_AT, sizeof(*probe));
	return true;
}

/* Is it a probe that went round a loop? */
static bool
came_back(const struct snapshot_port *in, const struct frame *f)
{
	unsigned tag = f->tagged ? VLAN_TAG : 0;
	uint8_t bytes[PROBE_LEN];
	struct probe probe;

	if (memcmp(f->data, target, sizeof(target)) != 0 || f->head_len < PROBE_LEN + tag)
		return false;
	memcpy(bytes, f->data, 2 * MAC_LEN);
	memcpy(bytes + 2 * MAC_LEN, f->data + 2 * MAC_LEN + tag, PROBE_LEN - 2 * MAC_LEN);
	return probe_read(bytes, PROBE_LEN, &probe) && probe.bridge == in->bridge->number &&
	       probe.vlan == f->vlan;
}

uint64_t
probe_in(struct worker *w, const struct snapshot_port *in, uint64_t frames)
{
	uint64_t probes = 0;

	for (uint64_t left = frames; left;) {
		unsigned i = check_next(&left);
		struct frame *f = &w->burst.frames[i];

		if (!came_back(in, f))
			continue;
		punt(w, PUNT_PROBE, in, f, PROBE_LEN + VLAN_TAG);
		probes |= UINT64_C(1) << i;
	}
	if (probes)
		check_drop(w, in, probes, DROP_PROBE);
	return frames & ~probes;
}
