/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/socket.h>

#include "control/rtnl.h"
#include "control/veth.h"
#include "lib/log.h"

/* Half of the pair is set up in another namespace; the other half is a packet socket's. */
static const struct needs_call veth_calls[] = {NEEDS_CALL(setns), NEEDS_CALL(sendmmsg),
	NEEDS_SOCKET(AF_NETLINK), NEEDS_SOCKET(AF_PACKET), NEEDS_NO_MORE};

const struct needs veth_needs = {
	.capabilities = NEEDS_CAPABILITY(CAP_NET_ADMIN) | NEEDS_CAPABILITY(CAP_NET_RAW) |
			NEEDS_CAPABILITY(CAP_SYS_ADMIN),
	.calls = veth_calls,
};

#define MTU_DEFAULT 1500
#define ALIAS_SIZE  128

void
veth_name(const struct port_config *config, char name[IF_NAMESIZE])
{
	snprintf(name, IF_NAMESIZE, "pb-%.12s", config->name);
}

static void
alias_of(const struct port_config *config, char alias[ALIAS_SIZE])
{
	snprintf(alias, ALIAS_SIZE, "patchbay port %s: %s in %s", config->name, config->dev,
		config->netns);
}

/* What an interface says of itself; "" when there is none or it says nothing. */
static void
read_alias(const char *name, char alias[ALIAS_SIZE])
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifalias", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, alias, ALIAS_SIZE - 1);
		close(fd);
	}
	alias[n > 0 ? n : 0] = '\0';
	alias[strcspn(alias, "\n")] = '\0';
}

static int
add_addresses(int fd, const char *name, const char *text, struct err *err)
{
	struct rtnl_address list[RTNL_ADDRESSES_MAX];
	int ifindex = rtnl_link_find(fd, name), r;
	unsigned count;

	if (ifindex < 0)
		return err_set(err, ifindex, "interface \"%s\": %s", name, strerror(-ifindex));
	r = rtnl_addresses_parse(text, list, &count, err);
	if (r < 0)
		return r;
	r = rtnl_link_up(fd, ifindex);
	for (unsigned i = 0; !r && i < count; i++)
		r = rtnl_address_add(fd, ifindex, &list[i]);
	if (r < 0)
		return err_set(err, r, "interface \"%s\" does not take its addresses: %s", name,
			strerror(-r));
	return 0;
}

int
interface_address(const char *name, const char *addresses, struct err *err)
{
	int fd, r = rtnl_open(-1, &fd);

	if (r < 0)
		return err_set(err, r, "interface \"%s\": %s", name, strerror(-r));
	r = add_addresses(fd, name, addresses, err);
	close(fd);
	return r;
}

static int
make_pair(int fd, int netns, const struct port_config *config, struct err *err)
{
	char name[IF_NAMESIZE], alias[ALIAS_SIZE], found[ALIAS_SIZE];
	struct rtnl_veth veth = {
		.name = name,
		.alias = alias,
		.peer = config->dev,
		.netns = netns,
		.queues = config->queues,
		.mtu = config->mtu ? config->mtu : MTU_DEFAULT,
		.peer_mac = config->mac,
	};
	int r;

	veth_name(config, name);
	alias_of(config, alias);
	r = rtnl_veth_add(fd, &veth);
	if (r == -EEXIST && rtnl_link_find(fd, name) > 0) {
		read_alias(name, found);
		if (strcmp(found, alias) == 0)
			return 0;
		return err_set(err, r,
			"interface \"%s\" exists already: call the port otherwise, or remove it with "
			"`ip link del %s`",
			name, name);
	}
	if (r == -EEXIST)
		return err_set(err, r,
			"network namespace \"%s\" has an interface \"%s\" already: choose another dev=",
			config->netns, config->dev);
	if (r == -EPERM)
		return err_set(err, r, "a veth pair can't be made: the daemon needs CAP_NET_ADMIN");
	return r < 0 ? err_set(err, r, "a veth pair can't be made: %s", strerror(-r)) : 0;
}

/* Up, with its addresses. */
static int
set_up_peer(int netns, const struct port_config *config, struct err *err)
{
	int fd, r = rtnl_open(netns, &fd);

	if (r == -EPERM && !config->address[0]) {
		log_info("port \"%s\": whoever manages network namespace %s sets %s up: "
			 "the daemon lacks CAP_SYS_ADMIN",
			config->name, config->netns, config->dev);
		return 0;
	}
	if (r == -EPERM)
		return err_set(err, r,
			"addresses in network namespace \"%s\" can't be set: the daemon needs "
			"CAP_SYS_ADMIN; without address=, CAP_NET_ADMIN does",
			config->netns);
	if (r < 0)
		return err_set(err, r, "network namespace \"%s\": %s", config->netns, strerror(-r));
	r = add_addresses(fd, config->dev, config->address, err);
	close(fd);
	return r;
}

int
veth_create(const struct port_config *config, struct err *err)
{
	int netns, fd = -1, r = netns_open(config->netns, &netns, err);

	if (r < 0)
		return r;
	r = rtnl_open(-1, &fd);
	r = r < 0 ? err_set(err, r, "rtnetlink: %s", strerror(-r))
		  : make_pair(fd, netns, config, err);
	if (fd >= 0)
		close(fd);
	if (r == 0) {
		r = set_up_peer(netns, config, err);
		if (r < 0)
			veth_destroy(config);
	}
	close(netns);
	return r;
}

void
veth_destroy(const struct port_config *config)
{
	char name[IF_NAMESIZE], alias[ALIAS_SIZE], found[ALIAS_SIZE];
	int fd, ifindex;

	veth_name(config, name);
	alias_of(config, alias);
	read_alias(name, found);
	/* Somebody else's of that name stays. */
	if (strcmp(found, alias) != 0 || rtnl_open(-1, &fd) < 0)
		return;
	ifindex = rtnl_link_find(fd, name);
	if (ifindex > 0)
		rtnl_link_del(fd, ifindex);
	close(fd);
}
