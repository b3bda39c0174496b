/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost/vhost.h"

const char *
vhost_link_text(enum vhost_link link)
{
	switch (link) {
	case VHOST_LISTENING:
		return "listening";
	case VHOST_CONNECTING:
		return "connecting";
	case VHOST_NEGOTIATING:
		return "negotiating";
	case VHOST_UP:
		return "up";
	case VHOST_BROKEN:
		return "broken";
	}
	return "unknown";
}
