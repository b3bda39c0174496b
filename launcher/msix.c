/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threat model: the table is the guest's to fill.  Offsets and vectors are checked against what exists;
 * what a message says is for KVM to judge, which takes any.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/msix.h"
#include "lib/log.h"

#define CAP_MSIX       0x11
#define CONTROL        2 /* of the capability */
#define CONTROL_ENABLE 0x8000
#define CONTROL_MASK   0x4000
#define ENTRY_CONTROL  3
#define ENTRY_MASKED   1

int
msix_init(struct msix *msix, struct kvm *kvm, struct pci_device *device, unsigned vectors,
	unsigned sources, uint32_t table, uint32_t pending)
{
	struct {
		uint16_t control;
		uint32_t table, pending;
	} __attribute__((packed)) body = {(uint16_t)(vectors - 1), table, pending};

	*msix = (struct msix){
		.kvm = kvm, .device = device, .vector_count = vectors, .source_count = sources};
	msix->vectors = calloc(vectors, sizeof(msix->vectors[0]));
	msix->sources = calloc(sources, sizeof(msix->sources[0]));
	if (!msix->vectors || !msix->sources) {
		msix_free(msix);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < sources; i++)
		msix->sources[i].fd = -1;
	msix_reset(msix);
	msix->capability = pci_device_capability(device, CAP_MSIX, &body, sizeof(body));
	device->writable[msix->capability + CONTROL + 1] = (CONTROL_ENABLE | CONTROL_MASK) >> 8;
	return 0;
}

void
msix_free(struct msix *msix)
{
	free(msix->vectors);
	free(msix->sources);
	msix->vectors = NULL;
	msix->sources = NULL;
}

/* ---- wiring ---- */

static int
route(struct msix *msix, struct msix_vector *vector)
{
	unsigned gsi;
	int rc = 0;

	if (vector->gsi < 0) {
		rc = kvm_msi_new(msix->kvm, &gsi);
		if (rc)
			return rc;
		vector->gsi = (int)gsi;
	}
	if (!vector->routed)
		rc = kvm_msi_set(msix->kvm, (unsigned)vector->gsi,
			(uint64_t)vector->entry[1] << 32 | vector->entry[0], vector->entry[2]);
	vector->routed = !rc;
	return rc;
}

static void
wire(struct msix *msix, struct msix_source *source)
{
	struct msix_vector *vector =
		source->vector < msix->vector_count ? &msix->vectors[source->vector] : NULL;
	bool open = vector && msix->enabled && !(vector->entry[ENTRY_CONTROL] & ENTRY_MASKED);
	int rc = 0;

	if (open && !vector->routed)
		rc = route(msix, vector);
	if (!rc && open != source->wired && (vector ? vector->gsi : -1) >= 0) {
		rc = kvm_irqfd(msix->kvm, source->fd, (unsigned)vector->gsi, open);
		if (!rc)
			source->wired = open;
	}
	if (rc)
		log_warning("interrupt %u cannot be delivered: %s", source->vector, strerror(-rc));
}

static void
unwire(struct msix *msix, struct msix_source *source)
{
	if (source->wired)
		kvm_irqfd(
			msix->kvm, source->fd, (unsigned)msix->vectors[source->vector].gsi, false);
	source->wired = false;
}

void
msix_bind(struct msix *msix, unsigned index, unsigned vector)
{
	struct msix_source *source = &msix->sources[index];

	unwire(msix, source);
	source->vector = (uint16_t)(vector < msix->vector_count ? vector : MSIX_NO_VECTOR);
	wire(msix, source);
}

void
msix_configured(struct msix *msix)
{
	uint32_t control = pci_get(msix->device, msix->capability + CONTROL, 2);
	bool enabled = (control & (CONTROL_ENABLE | CONTROL_MASK)) == CONTROL_ENABLE;

	if (enabled == msix->enabled)
		return;
	msix->enabled = enabled;
	for (unsigned i = 0; i < msix->source_count; i++)
		wire(msix, &msix->sources[i]);
}

void
msix_reset(struct msix *msix)
{
	msix->enabled = false;
	for (unsigned i = 0; i < msix->source_count; i++) {
		unwire(msix, &msix->sources[i]);
		msix->sources[i].vector = MSIX_NO_VECTOR;
	}
	for (unsigned i = 0; i < msix->vector_count; i++)
		msix->vectors[i] =
			(struct msix_vector){.entry[ENTRY_CONTROL] = ENTRY_MASKED, .gsi = -1};
}

/* ---- table ---- */

uint64_t
msix_table_read(const struct msix *msix, uint64_t offset, unsigned length)
{
	uint64_t index = offset / MSIX_ENTRY_SIZE, value = 0;

	if (index >= msix->vector_count || (length != 4 && length != 8))
		return UINT64_MAX;
	memcpy(&value, (const uint8_t *)msix->vectors[index].entry + offset % MSIX_ENTRY_SIZE,
		length);
	return value;
}

void
msix_table_write(struct msix *msix, uint64_t offset, unsigned length, uint64_t value)
{
	uint64_t index = offset / MSIX_ENTRY_SIZE;
	struct msix_vector *vector;

	if (index >= msix->vector_count || (length != 4 && length != 8))
		return;
	vector = &msix->vectors[index];
	memcpy((uint8_t *)vector->entry + offset % MSIX_ENTRY_SIZE, &value, length);
	vector->entry[ENTRY_CONTROL] &= ENTRY_MASKED;
	if (offset % MSIX_ENTRY_SIZE < ENTRY_CONTROL * sizeof(uint32_t))
		vector->routed = false;
	for (unsigned i = 0; i < msix->source_count; i++)
		if (msix->sources[i].vector == index)
			wire(msix, &msix->sources[i]);
}

static bool
is_pending(const struct msix *msix, unsigned vector)
{
	for (unsigned i = 0; i < msix->source_count; i++) {
		struct pollfd p = {.fd = msix->sources[i].fd, .events = POLLIN};

		if (msix->sources[i].vector == vector && !msix->sources[i].wired &&
			poll(&p, 1, 0) == 1)
			return true;
	}
	return false;
}

uint64_t
msix_pending_read(const struct msix *msix, uint64_t offset, unsigned length)
{
	uint64_t value = 0;

	if (length != 4 && length != 8)
		return UINT64_MAX;
	for (unsigned i = 0; i < length * 8; i++)
		if (offset * 8 + i < msix->vector_count &&
			is_pending(msix, (unsigned)(offset * 8 + i)))
			value |= UINT64_C(1) << i;
	return value;
}
