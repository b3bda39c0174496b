/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A back end that answers anything to a front end: whatever it says is said before the front end
 * asks, so that one thread does for both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "vhost/frontend.h"

#define INPUT_MAX 16384
#define RINGS     4
#define REGION    65536 /* bytes of the descriptors that come with answers */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct frontend *frontend;
	struct driver_memory *memory;
	char path[64];
	int region, event;
} t;

/* An answer: then `size` bytes of payload follow. */
struct answer {
	uint8_t request, flags, size, fds;
} __attribute__((packed));

static void
end(void)
{
	unlink(t.path);
}

static void
begin(void)
{
	const struct driver_memory_options memory = {.size = 1 << 20, .regions = 2, .gap = 1 << 20};
	struct frontend_options options = {.path = t.path,
		.listen = true,
		.timeout_ms = 1000,
		.features = UINT64_MAX,
		.protocol_features = UINT64_MAX,
		.mem_slots = true,
		.inflight = true};

	log_start("fuzz", LOG_LEVEL_ERROR);
	snprintf(t.path, sizeof(t.path), "/tmp/fuzz-frontend.%d", (int)getpid());
	atexit(end);
	if (driver_memory_create(&t.memory, &memory, NULL))
		abort();
	options.memory = t.memory;
	t.region = memfd_create("region", 0);
	t.event = eventfd(0, EFD_NONBLOCK);
	if (frontend_create(&t.frontend, &options, NULL) || ftruncate(t.region, REGION) ||
		t.event < 0)
		abort();
}

static void
say(int fd, const struct answer *answer, const uint8_t *payload)
{
	const struct vhost_header header = {answer->request, answer->flags, answer->size};
	struct iovec parts[] = {{(void *)(uintptr_t)&header, sizeof(header)},
		{(void *)(uintptr_t)payload, answer->size}};
	char control[CMSG_SPACE(3 * sizeof(int))] = {0};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	const int fds[] = {t.region, t.region, t.region};
	unsigned count = answer->fds % 4;

	if (count) {
		struct cmsghdr *c;

		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void
say_all(int fd, const uint8_t *data, size_t size)
{
	struct answer answer;

	while (size >= sizeof(answer)) {
		memcpy(&answer, data, sizeof(answer));
		data += sizeof(answer);
		size -= sizeof(answer);
		if (answer.size > size)
			answer.size = (uint8_t)size;
		say(fd, &answer, data);
		data += answer.size;
		size -= answer.size;
	}
	shutdown(fd, SHUT_WR);
}

static void
converse(void)
{
	uint64_t used = t.memory->used;
	struct frontend_ring ring = {.size = 8, .kick_fd = t.event, .call_fd = t.event};
	size_t bytes;

	frontend_choose(t.frontend, UINT64_MAX);
	if (frontend_try(t.frontend, NULL))
		return;
	frontend_choose(t.frontend, UINT64_MAX);
	for (unsigned i = 0; i < RINGS; i++) {
		ring.desc = ring.driver = ring.device =
			driver_memory_alloc(t.memory, 4096, 4096, NULL);
		frontend_set_ring(t.frontend, i, &ring);
	}
	if (!frontend_start(t.frontend, NULL)) {
		uint8_t *inflight = frontend_inflight(t.frontend, &bytes);

		if (inflight && (bytes > REGION || inflight[bytes - 1]))
			abort(); /* more than there is */
		frontend_set_mtu(t.frontend, 1500, NULL);
		frontend_send_rarp(t.frontend, 0x010203040506, NULL);
		frontend_set_logging(t.frontend, true, NULL);
		frontend_remove_region(t.frontend, 1, NULL);
		frontend_enable(t.frontend, 1, false, NULL);
		if (!frontend_stop(t.frontend, NULL))
			frontend_reset(t.frontend, NULL);
	}
	driver_memory_rewind(t.memory, used);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (!t.frontend)
		begin();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", t.path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		abort();
	say_all(fd, data, size < INPUT_MAX ? size : INPUT_MAX);
	converse();
	frontend_disconnect(t.frontend);
	close(fd);
	return 0;
}
