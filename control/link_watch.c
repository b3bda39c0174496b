/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "control/link_watch.h"
#include "lib/log.h"

#define MESSAGES_MAX 64    /* read in one go; the loop comes back for more */
#define MESSAGE_SIZE 32768 /* what the kernel sends at once at most */

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

/* ---- one question, one answer ---- */

struct link_request {
	struct nlmsghdr head;
	struct ifinfomsg info;
	struct rtattr name;
	char text[IF_NAMESIZE];
};

static void
copy_text(char *to, size_t size, const struct rtattr *from)
{
	snprintf(to, size, "%.*s", (int)RTA_PAYLOAD(from), (const char *)RTA_DATA(from));
}

static void
read_kind(const struct rtattr *info, struct link_state *state)
{
	int len = (int)RTA_PAYLOAD(info);

	for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == IFLA_INFO_KIND)
			copy_text(state->kind, sizeof(state->kind), a);
}

static void
read_link(const struct nlmsghdr *message, struct link_state *state)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	int len = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof(*info)));

	/* States are compared as a whole, with what lies between the members. */
	memset(state, 0, sizeof(*state));
	state->ifindex = info->ifi_index;
	state->up = info->ifi_flags & IFF_UP;
	state->running = state->up && info->ifi_flags & IFF_RUNNING;
	for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		switch (a->rta_type) {
		case IFLA_MTU:
			memcpy(&state->mtu, RTA_DATA(a), sizeof(state->mtu));
			break;
		case IFLA_ADDRESS:
			if (RTA_PAYLOAD(a) == sizeof(state->mac))
				memcpy(&state->mac, RTA_DATA(a), sizeof(state->mac));
			break;
		case IFLA_NUM_RX_QUEUES:
			memcpy(&state->rx_queues, RTA_DATA(a), sizeof(state->rx_queues));
			break;
		case IFLA_LINKINFO:
			read_kind(a, state);
			break;
		default:
			break;
		}
	}
}

static int
ask(int fd, const char *name, void *answer, size_t size)
{
	struct link_request request = {
		.head = {.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST},
		.name = {.rta_len = RTA_LENGTH(sizeof(request.text)), .rta_type = IFLA_IFNAME},
	};
	const struct nlmsghdr *head = answer;
	ssize_t n;

	snprintf(request.text, sizeof(request.text), "%s", name);
	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	n = recv(fd, answer, size, 0);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(head, (size_t)n))
		return -EBADMSG;
	if (head->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
	return head->nlmsg_type == RTM_NEWLINK ? 0 : -EBADMSG;
}

int
link_read(const char *name, struct link_state *state, struct err *err)
{
	uint64_t answer[MESSAGE_SIZE / sizeof(uint64_t)];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc;

	memset(state, 0, sizeof(*state));
	rc = fd < 0 ? -errno : ask(fd, name, answer, sizeof(answer));
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
read_messages(const struct nlmsghdr *message, size_t left)
{
	for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
		const struct ifinfomsg *info = NLMSG_DATA(message);
		int len = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof(*info)));
		char name[IF_NAMESIZE] = "";

		if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
			continue;
		for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, len); a = RTA_NEXT(a, len))
			if (a->rta_type == IFLA_IFNAME)
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
	uint64_t messages[MESSAGE_SIZE / sizeof(uint64_t)];

	(void)what;
	(void)arg;
	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		ssize_t n = recv(fd, messages, sizeof(messages), MSG_DONTWAIT);

		if (n > 0) {
			read_messages((const struct nlmsghdr *)messages, (size_t)n);
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
