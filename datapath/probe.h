/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * probe: the frames by which the loop guard finds loops.
 *
 * A probe says which daemon sent it (a random number, made at each start), from which port and
 * bridge, in which VLAN.  One that comes back to the same bridge in the same VLAN went round a loop;
 * the check on the way in takes it out and shows it to the control thread.  Anything else, such as
 * the probes of another daemon, is an ordinary frame.
 *
 * A guest can read the probes sent to it and give them back: whatever is done about a probe that came
 * back is done to the port it came back by.
 */
#ifndef DATAPATH_PROBE_H
#define DATAPATH_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#define PROBE_LEN 60 /* bytes, the shortest Ethernet frame without its check sequence */

struct probe {
	uint32_t generation; /* of the port that sent it */
	uint16_t port;       /* its index */
	uint16_t bridge;     /* number */
	uint16_t vlan;
};

/* Makes the daemon's number; before the workers start.  -EIO. */
int probe_start(void);

/* Untagged, PROBE_LEN bytes. */
void probe_write(const struct probe *probe, uint8_t *bytes);

/* any thread: false when the bytes, a frame without the tag of its VLAN, are not our probe. */
bool probe_read(const uint8_t *bytes, unsigned len, struct probe *probe);

#endif
