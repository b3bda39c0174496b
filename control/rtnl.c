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

#include <libmnl/libmnl.h>

#include "control/rtnl.h"
#include "lib/parse.h"

#define NETNS_DIR    "/run/netns"
#define REQUEST_SIZE 1024

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

/* What is put is small, and known when this was written: it fits. */
struct request {
	struct nlmsghdr *head;
	union {
		struct ifinfomsg *link;
		struct ifaddrmsg *address;
		void *body;
	};
	uint64_t bytes[REQUEST_SIZE / sizeof(uint64_t)];
};

static void
request_begin(struct request *q, int type, int flags, size_t body)
{
	q->head = mnl_nlmsg_put_header(q->bytes);
	q->head->nlmsg_type = (uint16_t)type;
	q->head->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	q->body = mnl_nlmsg_put_extra_header(q->head, body);
}

/* Sends it and receives what the kernel says: an acknowledgement, an error, a link. */
static int
ask(int fd, const struct nlmsghdr *question, void *answer, size_t size)
{
	const struct nlmsghdr *head = answer;
	ssize_t n;

	if (send(fd, question, question->nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, answer, size, 0);
	if (n < 0)
		return -errno;
	if (!mnl_nlmsg_ok(head, (int)n))
		return -EBADMSG;
	if (head->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(head))->error;
	return head->nlmsg_type == RTM_NEWLINK ? 0 : -EBADMSG;
}

/* Has it done: 0, or a negative errno. */
static int
perform(int fd, struct request *q)
{
	uint64_t answer[RTNL_ANSWER_SIZE / sizeof(uint64_t)];

	q->head->nlmsg_flags |= NLM_F_ACK;
	return ask(fd, q->head, answer, sizeof(answer));
}

/* Nothing but the switch is to speak through our end: no IPv6 address, no ARP.  Then up. */
static int
quiet_up(int fd, int ifindex, const char *alias)
{
	struct nlattr *spec, *six;
	struct request q;
	int r;

	request_begin(&q, RTM_SETLINK, 0, sizeof(*q.link));
	q.link->ifi_index = ifindex;
	spec = mnl_attr_nest_start(q.head, IFLA_AF_SPEC);
	six = mnl_attr_nest_start(q.head, AF_INET6);
	mnl_attr_put_u8(q.head, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(q.head, six);
	mnl_attr_nest_end(q.head, spec);
	r = perform(fd, &q);
	/* A host without IPv6. */
	if (r < 0 && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
		return r;
	request_begin(&q, RTM_SETLINK, 0, sizeof(*q.link));
	q.link->ifi_index = ifindex;
	q.link->ifi_flags = IFF_UP | IFF_NOARP;
	q.link->ifi_change = IFF_UP | IFF_NOARP;
	mnl_attr_put_strz(q.head, IFLA_IFALIAS, alias);
	return perform(fd, &q);
}

static void
put_end(struct nlmsghdr *head, const char *name, const struct rtnl_veth *veth)
{
	mnl_attr_put_strz(head, IFLA_IFNAME, name);
	mnl_attr_put_u32(head, IFLA_MTU, veth->mtu);
	mnl_attr_put_u32(head, IFLA_NUM_TX_QUEUES, veth->queues);
	mnl_attr_put_u32(head, IFLA_NUM_RX_QUEUES, veth->queues);
}

int
rtnl_veth_add(int fd, const struct rtnl_veth *veth)
{
	struct nlattr *info, *data, *end;
	struct request q;
	int ifindex, r;

	request_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*q.link));
	put_end(q.head, veth->name, veth);
	info = mnl_attr_nest_start(q.head, IFLA_LINKINFO);
	mnl_attr_put_strz(q.head, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(q.head, IFLA_INFO_DATA);
	end = mnl_attr_nest_start(q.head, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(q.head, sizeof(*q.link));
	put_end(q.head, veth->peer, veth);
	if (!mac_is_zero(&veth->peer_mac))
		mnl_attr_put(q.head, IFLA_ADDRESS, sizeof(veth->peer_mac), &veth->peer_mac);
	mnl_attr_put_u32(q.head, IFLA_NET_NS_FD, (uint32_t)veth->netns);
	mnl_attr_nest_end(q.head, end);
	mnl_attr_nest_end(q.head, data);
	mnl_attr_nest_end(q.head, info);
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

	request_begin(&q, RTM_DELLINK, 0, sizeof(*q.link));
	q.link->ifi_index = ifindex;
	return perform(fd, &q);
}

int
rtnl_link_up(int fd, int ifindex)
{
	struct request q;

	request_begin(&q, RTM_NEWLINK, 0, sizeof(*q.link));
	q.link->ifi_index = ifindex;
	q.link->ifi_flags = IFF_UP;
	q.link->ifi_change = IFF_UP;
	return perform(fd, &q);
}

int
rtnl_link_get(int fd, const char *name, void *answer, size_t size)
{
	struct request q;

	request_begin(&q, RTM_GETLINK, 0, sizeof(*q.link));
	mnl_attr_put_strz(q.head, IFLA_IFNAME, name);
	return ask(fd, q.head, answer, size);
}

int
rtnl_link_find(int fd, const char *name)
{
	uint64_t answer[RTNL_ANSWER_SIZE / sizeof(uint64_t)];
	int r = rtnl_link_get(fd, name, answer, sizeof(answer));
	const struct ifinfomsg *info = mnl_nlmsg_get_payload((const struct nlmsghdr *)answer);

	return r < 0 ? r : info->ifi_index;
}

int
rtnl_address_add(int fd, int ifindex, const struct rtnl_address *address)
{
	size_t size = address->family == AF_INET ? 4 : 16;
	struct request q;
	int r;

	request_begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*q.address));
	q.address->ifa_family = (uint8_t)address->family;
	q.address->ifa_prefixlen = address->length;
	/* Nobody else has it: no duplicate is looked for. */
	if (address->family == AF_INET6)
		q.address->ifa_flags = IFA_F_NODAD;
	q.address->ifa_index = (uint32_t)ifindex;
	mnl_attr_put(q.head, IFA_LOCAL, size, address->bytes);
	mnl_attr_put(q.head, IFA_ADDRESS, size, address->bytes);
	if (address->family == AF_INET && address->length < 31) {
		uint8_t broadcast[4];

		for (unsigned i = 0; i < 4; i++) {
			int host = 8 * (int)(i + 1) - address->length;

			broadcast[i] = (uint8_t)(address->bytes[i] |
						 (host <= 0          ? 0
							 : host >= 8 ? 0xff
								     : (1 << host) - 1));
		}
		mnl_attr_put(q.head, IFA_BROADCAST, sizeof(broadcast), broadcast);
	}
	r = perform(fd, &q);
	return r == -EEXIST ? 0 : r;
}
