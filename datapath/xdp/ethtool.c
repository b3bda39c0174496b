/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/xdp/ethtool.h"

static int
ask(const char *dev, void *command)
{
	struct ifreq request = {.ifr_data = command};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -1;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", dev);
	rc = ioctl(fd, SIOCETHTOOL, &request);
	close(fd);
	return rc;
}

static uint32_t
get(const char *dev, uint32_t command)
{
	struct ethtool_value value = {.cmd = command};

	return ask(dev, &value) < 0 ? 0 : value.data;
}

unsigned
ethtool_rx_queues(const char *dev, unsigned otherwise)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	unsigned count = 0;

	if (ask(dev, &channels) == 0)
		count = channels.combined_count + channels.rx_count;
	return count ? count : otherwise;
}

bool
ethtool_has_rxvlan(const char *dev)
{
	return get(dev, ETHTOOL_GFLAGS) & ETH_FLAG_RXVLAN;
}

void
ethtool_set_rxvlan(const char *dev, bool on)
{
	uint32_t flags = get(dev, ETHTOOL_GFLAGS);
	struct ethtool_value value = {.cmd = ETHTOOL_SFLAGS,
		.data = on ? flags | ETH_FLAG_RXVLAN : flags & ~(uint32_t)ETH_FLAG_RXVLAN};

	ask(dev, &value);
}

bool
ethtool_joins_frames(const char *dev)
{
	return get(dev, ETHTOOL_GGRO) || get(dev, ETHTOOL_GFLAGS) & ETH_FLAG_LRO;
}
