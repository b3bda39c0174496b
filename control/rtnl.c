/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/rtnl.h"
#include "lib/parse.h"

#define NETNS_DIR    "/run/netns"
#define REQUEST_SIZE 1024
#define ANSWER_SIZE  32768

/* ---- texts ---- */

static int
parse_prefix(char *text, struct rtnl_address *prefix)
{
	char *slash = strchr(text, '/');
	uint64_t length;

	memset(prefix, 0, sizeof(*prefix));
	prefix->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (!slash)
		return -EINVAL;
	*slash = '\0';
	if (inet_pton(prefix->family, text, prefix->bytes) != 1)
		return -EINVAL;
	if (parse_u64(slash + 1, 1, prefix->family == AF_INET ? 32 : 128, &length))
		return -EINVAL;
	prefix->length = (uint8_t)length;
	return 0;
}

int
rtnl_addresses_parse(const char *text, struct rtnl_address list[RTNL_ADDRESSES_MAX],
	unsigned *count, struct err *err)
{
	unsigned n = 0;

	while (*text) {
		size_t len = strcspn(text, ",");
		char one[INET6_ADDRSTRLEN + 4];

		if (n == RTNL_ADDRESSES_MAX)
			return err_set(err, -E2BIG, "address: at most %d are possible",
				RTNL_ADDRESSES_MAX);
		snprintf(one, sizeof(one), "%.*s", (int)len, text);
		if (len >= sizeof(one) || parse_prefix(one, &list[n++]))
			return err_set(err, -EINVAL,
				"address: \"%.*s\" is not an address with a prefix length: give one "
				"like 192.0.2.1/24 or 2001:db8::1/64, several with commas between",
				(int)(len < 60 ? len : 60), text);
		text += len + (text[len] == ',');
	}
	*count = n;
	return 0;
}

/* ---- namespaces ---- */

int
netns_open(const char *name, int *fd, struct err *err)
{
	char path[128];

	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	if (errno == ENOENT)
		return err_set(err, -ENOENT,
			"network namespace \"%s\" does not exist: make it with `ip netns add %s`",
			name, name);
	return err_set(err, -errno, "network namespace \"%s\": %s", name, strerror(errno));
}

int
rtnl_open(int netns, int *fd)
{
	int home = -1, r = 0;
	bool away = false;

	*fd = -1;
	if (netns >= 0) {
		home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (home < 0)
			return -errno;
		away = setns(netns, CLONE_NEWNET) == 0;
		r = away ? 0 : -errno;
	}
	if (!r) {
		*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
		r = *fd < 0 ? -errno : 0;
	}
	/* A daemon in the wrong namespace would do harm there. */
	if (away && setns(home, CLONE_NEWNET) < 0)
		abort();
	if (home >= 0)
		close(home);
	return r;
}

/* ---- requests ---- */

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		uint8_t bytes[REQUEST_SIZE];
	};
};

static void
request_begin(struct request *q, int type, int flags, size_t body)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	q->head.nlmsg_type = (uint16_t)type;
	q->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
}

/* What is put is small, and known when this was written: it fits. */
static struct rtattr *
put(struct request *q, int type, const void *data, size_t size)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)q + NLMSG_ALIGN(q->head.nlmsg_len));

	a->rta_type = (uint16_t)type;
	a->rta_len = (uint16_t)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(a), data, size);
	q->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
	return a;
}

static void
put_text(struct request *q, int type, const char *text)
{
	put(q, type, text, strlen(text) + 1);
}

static void
put_u32(struct request *q, int type, uint32_t value)
{
	put(q, type, &value, sizeof(value));
}

static void
nest_end(const struct request *q, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((const uint8_t *)q + q->head.nlmsg_len - (uint8_t *)nest);
}

/* Sends it and returns what the kernel says: 0, a negative errno, or the number of a link. */
static int
perform(int fd, struct request *q)
{
	uint64_t answer[ANSWER_SIZE / sizeof(uint64_t)];
	const struct nlmsghdr *head = (const struct nlmsghdr *)answer;
	ssize_t n;

	if (send(fd, q, q->head.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(head, (size_t)n))
		return -EBADMSG;
	if (head->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
	if (head->nlmsg_type == RTM_NEWLINK)
		return ((const struct ifinfomsg *)NLMSG_DATA(head))->ifi_index;
	return -EBADMSG;
}

/* Nothing but the switch is to speak through our end: no IPv6 address, no ARP.  Then up. */
static int
quiet_up(int fd, int ifindex, const char *alias)
{
	uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct rtattr *spec, *six;
	struct request q;
	int r;

	request_begin(&q, RTM_SETLINK, 0, sizeof(q.link));
	q.link.ifi_index = ifindex;
	spec = put(&q, IFLA_AF_SPEC, NULL, 0);
	six = put(&q, AF_INET6, NULL, 0);
	put(&q, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	nest_end(&q, six);
	nest_end(&q, spec);
	r = perform(fd, &q);
	/* A host without IPv6. */
	if (r < 0 && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
		return r;
	request_begin(&q, RTM_SETLINK, 0, sizeof(q.link));
	q.link.ifi_index = ifindex;
	q.link.ifi_flags = IFF_UP | IFF_NOARP;
	q.link.ifi_change = IFF_UP | IFF_NOARP;
	put_text(&q, IFLA_IFALIAS, alias);
	return perform(fd, &q);
}

int
rtnl_veth_add(int fd, const struct rtnl_veth *veth)
{
	struct ifinfomsg peer = {0};
	struct rtattr *info, *data, *end;
	struct request q;
	int ifindex, r;

	request_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(q.link));
	put_text(&q, IFLA_IFNAME, veth->name);
	put_u32(&q, IFLA_MTU, veth->mtu);
	put_u32(&q, IFLA_NUM_TX_QUEUES, veth->queues);
	put_u32(&q, IFLA_NUM_RX_QUEUES, veth->queues);
	info = put(&q, IFLA_LINKINFO, NULL, 0);
	put_text(&q, IFLA_INFO_KIND, "veth");
	data = put(&q, IFLA_INFO_DATA, NULL, 0);
	end = put(&q, VETH_INFO_PEER, &peer, sizeof(peer));
	put_text(&q, IFLA_IFNAME, veth->peer);
	put_u32(&q, IFLA_MTU, veth->mtu);
	put_u32(&q, IFLA_NUM_TX_QUEUES, veth->queues);
	put_u32(&q, IFLA_NUM_RX_QUEUES, veth->queues);
	if (!mac_is_zero(&veth->peer_mac))
		put(&q, IFLA_ADDRESS, &veth->peer_mac, sizeof(veth->peer_mac));
	put_u32(&q, IFLA_NET_NS_FD, (uint32_t)veth->netns);
	nest_end(&q, end);
	nest_end(&q, data);
	nest_end(&q, info);
	r = perform(fd, &q);
	if (r < 0)
		return r;
	ifindex = rtnl_link_find(fd, veth->name);
	r = ifindex < 0 ? ifindex : quiet_up(fd, ifindex, veth->alias);
	if (r < 0 && ifindex > 0)
		rtnl_link_del(fd, ifindex);
	return r;
}

int
rtnl_link_del(int fd, int ifindex)
{
	struct request q;

	request_begin(&q, RTM_DELLINK, 0, sizeof(q.link));
	q.link.ifi_index = ifindex;
	return perform(fd, &q);
}

int
rtnl_link_up(int fd, int ifindex)
{
	struct request q;

	request_begin(&q, RTM_NEWLINK, 0, sizeof(q.link));
	q.link.ifi_index = ifindex;
	q.link.ifi_flags = IFF_UP;
	q.link.ifi_change = IFF_UP;
	return perform(fd, &q);
}

int
rtnl_link_find(int fd, const char *name)
{
	struct request q;

	request_begin(&q, RTM_GETLINK, 0, sizeof(q.link));
	q.head.nlmsg_flags = NLM_F_REQUEST;
	put_text(&q, IFLA_IFNAME, name);
	return perform(fd, &q);
}

int
rtnl_address_add(int fd, int ifindex, const struct rtnl_address *address)
{
	size_t size = address->family == AF_INET ? 4 : 16;
	struct request q;
	int r;

	request_begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(q.address));
	q.address.ifa_family = (uint8_t)address->family;
	q.address.ifa_prefixlen = address->length;
	/* Nobody else has it: no duplicate is looked for. */
	if (address->family == AF_INET6)
		q.address.ifa_flags = IFA_F_NODAD;
	q.address.ifa_index = (uint32_t)ifindex;
	put(&q, IFA_LOCAL, address->bytes, size);
	put(&q, IFA_ADDRESS, address->bytes, size);
	if (address->family == AF_INET && address->length < 31) {
		uint8_t broadcast[4];

		for (unsigned i = 0; i < 4; i++) {
			int host = 8 * (int)(i + 1) - address->length;

			broadcast[i] = (uint8_t)(address->bytes[i] |
						 (host <= 0          ? 0
							 : host >= 8 ? 0xff
								     : (1 << host) - 1));
		}
		put(&q, IFA_BROADCAST, broadcast, sizeof(broadcast));
	}
	r = perform(fd, &q);
	return r == -EEXIST ? 0 : r;
}
