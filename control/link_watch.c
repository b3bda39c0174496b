/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <libmnl/libmnl.h>

#include "control/link_watch.h"
#include "control/rtnl.h"
#include "lib/log.h"

/* Beside what sockets of any family need (lib/unix_socket.h). */
static const struct needs_call link_watch_calls[] = {
	NEEDS_SOCKET(AF_NETLINK), NEEDS_IOCTL(SIOCGIFINDEX), NEEDS_NO_MORE};

const struct needs link_watch_needs = {
	.calls = link_watch_calls,
};

#define MESSAGES_MAX 64 /* read in one go; the loop comes back for more */

struct link_watch {
	struct link_watch *next;
	char name[IF_NAMESIZE];
	struct link_state state;
	link_watch_cb changed;
	void *arg;
	bool touched;
};

/* One socket for all watches, open while there are some. */
static struct {
	struct link_watch *first;
	struct event *event;
	int fd;
} monitor = {.fd = -1};

/* ---- what the kernel tells ---- */

/* What does not fit is cut; attributes from the kernel end with NUL. */
static void
copy_text(char *to, size_t size, const struct nlattr *from)
{
	snprintf(to, size, "%.*s", (int)mnl_attr_get_payload_len(from), mnl_attr_get_str(from));
}

static void
read_kind(const struct nlattr *info, struct link_state *state)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested (a, info)
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			copy_text(state->kind, sizeof(state->kind), a);
}

static void
read_link(const struct nlmsghdr *message, struct link_state *state)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *a;

	/* States are compared as a whole, with what lies between the members. */
	memset(state, 0, sizeof(*state));
	state->ifindex = info->ifi_index;
	state->up = info->ifi_flags & IFF_UP;
	state->running = state->up && info->ifi_flags & IFF_RUNNING;
	mnl_attr_for_each (a, message, sizeof(*info)) {
		switch (mnl_attr_get_type(a)) {
		case IFLA_MTU:
			state->mtu = mnl_attr_get_u32(a);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(a) == sizeof(state->mac))
				memcpy(&state->mac, mnl_attr_get_payload(a), sizeof(state->mac));
			break;
		case IFLA_NUM_RX_QUEUES:
			state->rx_queues = mnl_attr_get_u32(a);
			break;
		case IFLA_LINKINFO:
			read_kind(a, state);
			break;
		default:
			break;
		}
	}
}

int
link_read(const char *name, struct link_state *state, struct err *err)
{
	uint64_t answer[RTNL_ANSWER_SIZE / sizeof(uint64_t)];
	int fd, rc = rtnl_open(-1, &fd);

	memset(state, 0, sizeof(*state));
	if (rc == 0)
		rc = rtnl_link_get(fd, name, answer, sizeof(answer));
	if (fd >= 0)
		close(fd);
	if (rc == -ENODEV)
		return 0;
	if (rc < 0)
		return err_set(err, rc, "the kernel does not tell about interface \"%s\": %s", name,
			strerror(-rc));
	read_link((const struct nlmsghdr *)answer, state);
	return 0;
}

/* ---- the monitor ---- */

/* Marks the watches that a message can be about. */
static void
touch(int ifindex, const char *name)
{
	for (struct link_watch *w = monitor.first; w; w = w->next)
		if (w->state.ifindex == ifindex || strcmp(w->name, name) == 0)
			w->touched = true;
}

static void
touch_all(void)
{
	for (struct link_watch *w = monitor.first; w; w = w->next)
		w->touched = true;
}

static void
read_messages(const struct nlmsghdr *message, int left)
{
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
		const struct nlattr *a;
		char name[IF_NAMESIZE] = "";

		if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
			continue;
		mnl_attr_for_each (a, message, sizeof(*info))
			if (mnl_attr_get_type(a) == IFLA_IFNAME)
				copy_text(name, sizeof(name), a);
		touch(info->ifi_index, name);
	}
}

/* Callbacks may end watches, their own and others': the list is searched again after each. */
static void
tell(void)
{
	struct link_watch *w = monitor.first;

	while (w) {
		struct link_state state;
		struct err err = {0};

		if (!w->touched) {
			w = w->next;
			continue;
		}
		w->touched = false;
		if (link_read(w->name, &state, &err) < 0) {
			log_warning("%s", err.text);
		} else if (memcmp(&state, &w->state, sizeof(state)) != 0) {
			w->state = state;
			w->changed(&state, w->arg);
		}
		w = monitor.first;
	}
}

static void
handle_messages(evutil_socket_t fd, short what, void *arg)
{
	uint64_t messages[RTNL_ANSWER_SIZE / sizeof(uint64_t)];

	(void)what;
	(void)arg;
	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		ssize_t n = recv(fd, messages, sizeof(messages), MSG_DONTWAIT);

		if (n > 0) {
			read_messages((const struct nlmsghdr *)messages, (int)n);
			continue;
		}
		if (n < 0 && errno == ENOBUFS)
			touch_all();
		else
			break;
	}
	tell();
}

static void
close_monitor(void)
{
	if (monitor.event)
		event_free(monitor.event);
	if (monitor.fd >= 0)
		close(monitor.fd);
	monitor.event = NULL;
	monitor.fd = -1;
}

static int
open_monitor(struct event_base *loop, struct err *err)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int rc = 0;

	monitor.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (monitor.fd < 0 ||
		bind(monitor.fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		rc = -errno;
	if (rc == 0) {
		monitor.event =
			event_new(loop, monitor.fd, EV_READ | EV_PERSIST, handle_messages, NULL);
		if (!monitor.event || event_add(monitor.event, NULL) < 0)
			rc = -ENOMEM;
	}
	if (rc < 0) {
		close_monitor();
		return err_set(err, rc, "interfaces cannot be watched: %s", strerror(-rc));
	}
	return 0;
}

int
link_watch_create(struct link_watch **watch, struct event_base *loop, const char *name,
	link_watch_cb changed, void *arg, struct link_state *state, struct err *err)
{
	struct link_watch *w = calloc(1, sizeof(*w));
	int rc = w ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (rc == 0 && !monitor.first)
		rc = open_monitor(loop, err);
	/* Read after the monitor began: no change falls in between. */
	if (rc == 0)
		rc = link_read(name, state, err);
	if (rc < 0) {
		if (!monitor.first)
			close_monitor();
		free(w);
		return rc;
	}
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->state = *state;
	w->changed = changed;
	w->arg = arg;
	w->next = monitor.first;
	monitor.first = w;
	*watch = w;
	return 0;
}

void
link_watch_destroy(struct link_watch *watch)
{
	struct link_watch **at = &monitor.first;

	if (!watch)
		return;
	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	free(watch);
	if (!monitor.first)
		close_monitor();
}
