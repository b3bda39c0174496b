/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "control/port_vhost_user.h"
#include "vhost/protocol.h"
#include "vhost/features_text.h"

static int
find_user(const char *name, uid_t *uid, struct err *err)
{
	const struct passwd *user;

	*uid = (uid_t)-1;
	if (!name[0])
		return 0;
	user = getpwnam(name);
	if (!user)
		return err_set(err, -EINVAL,
			"socket_owner: user \"%s\" does not exist: see `getent passwd`", name);
	*uid = user->pw_uid;
	return 0;
}

static int
find_group(const char *name, gid_t *gid, struct err *err)
{
	const struct group *group;

	*gid = (gid_t)-1;
	if (!name[0])
		return 0;
	group = getgrnam(name);
	if (!group)
		return err_set(err, -EINVAL,
			"socket_group: group \"%s\" does not exist: see `getent group`", name);
	*gid = group->gr_gid;
	return 0;
}

int
port_vhost_user_create(struct event_base *loop, const struct port_config *config,
	struct port **port, struct err *err)
{
	struct vhost_options options = {
		.name = config->name,
		.path = config->path,
		.client = config->mode == MODE_CLIENT,
		.queues = config->queues,
		.mtu = (uint16_t)config->mtu,
		.mode = (mode_t)config->socket_mode,
	};
	int rc = find_user(config->socket_owner, &options.owner, err);

	if (rc == 0)
		rc = find_group(config->socket_group, &options.group, err);
	return rc < 0 ? rc : vhost_port_create(loop, &options, port, err);
}

/* ---- status ---- */

static json_t *
split_words(char *text)
{
	json_t *list = json_array();
	char *rest = NULL;

	for (char *word = strtok_r(text, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest))
		json_array_append_new(list, json_string(word));
	return list;
}

static json_t *
protocol_feature_list(uint64_t features)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{VHOST_PROTOCOL_F_MQ, "mq"},
		{VHOST_PROTOCOL_F_LOG_SHMFD, "log-shmfd"},
		{VHOST_PROTOCOL_F_RARP, "rarp"},
		{VHOST_PROTOCOL_F_REPLY_ACK, "reply-ack"},
		{VHOST_PROTOCOL_F_NET_MTU, "net-mtu"},
		{VHOST_PROTOCOL_F_BACKEND_REQ, "backend-req"},
		{VHOST_PROTOCOL_F_CONFIG, "config"},
		{VHOST_PROTOCOL_F_BACKEND_SEND_FD, "backend-send-fd"},
		{VHOST_PROTOCOL_F_INFLIGHT_SHMFD, "inflight-shmfd"},
		{VHOST_PROTOCOL_F_RESET_DEVICE, "reset-device"},
		{VHOST_PROTOCOL_F_CONFIGURE_MEM_SLOTS, "configure-mem-slots"},
		{VHOST_PROTOCOL_F_STATUS, "status"},
	};
	json_t *list = json_array();

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (features >> names[i].bit & 1)
			json_array_append_new(list, json_string(names[i].name));
	}
	return list;
}

static bool
is_connected(const struct vhost_status *status)
{
	return status->link != VHOST_LISTENING && status->link != VHOST_CONNECTING;
}

static json_t *
describe(const struct vhost_status *status)
{
	char features[1024];
	uint64_t reconnects = status->connections ? status->connections - 1 : 0;
	json_t *detail = json_object();

	vhost_features_text(status->features, features, sizeof(features));
	json_object_set_new(detail, "state", json_string(vhost_link_text(status->link)));
	json_object_set_new(detail, "connected", json_boolean(is_connected(status)));
	json_object_set_new(detail, "features", split_words(features));
	json_object_set_new(
		detail, "protocol_features", protocol_feature_list(status->protocol_features));
	json_object_set_new(detail, "ring", json_string(status->packed ? "packed" : "split"));
	json_object_set_new(detail, "ring_size", json_integer(status->ring_size));
	json_object_set_new(detail, "regions", json_integer(status->regions));
	json_object_set_new(detail, "memory_bytes", json_integer((json_int_t)status->memory_bytes));
	json_object_set_new(detail, "sealed", json_boolean(status->sealed));
	json_object_set_new(detail, "reconnects", json_integer((json_int_t)reconnects));
	json_object_set_new(detail, "errors", json_integer((json_int_t)status->errors));
	return detail;
}

/* The queues that stand still; the first of them is the reason of a port that is up. */
static json_t *
describe_stalls(const struct port *port, struct port_state *state)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 2u * port->rx_queues; i++) {
		struct vhost_stall stall;

		if (!vhost_port_stall(port, i, &stall))
			continue;
		if (!json_array_size(list))
			snprintf(state->reason, sizeof(state->reason), "%s", stall.text);
		json_array_append_new(list,
			json_pack("{s:i, s:s}", "ring", (int)stall.ring, "reason", stall.text));
	}
	return list;
}

void
port_vhost_user_status(const struct port *port, struct port_state *state)
{
	struct vhost_status status = {0};
	const char *because = "";

	vhost_port_status(port, &status);
	state->up = status.link == VHOST_UP;
	state->queues = status.queue_pairs;
	state->title = "vhost";
	state->detail = describe(&status);
	json_object_set_new(state->detail, "stalled", describe_stalls(port, state));
	if (state->up)
		return;
	switch (status.link) {
	case VHOST_LISTENING:
		because = "waiting for a connection";
		break;
	case VHOST_CONNECTING:
		because = "nobody listens on its path yet";
		break;
	case VHOST_NEGOTIATING:
		because = "connected, the driver is not ready";
		break;
	default:
		because = "a ring broke";
	}
	snprintf(state->reason, sizeof(state->reason), "%s",
		status.reason[0] ? status.reason : because);
}
