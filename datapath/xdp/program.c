/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <datapath/xdp/share.skel.h> /* made by the build, of share.bpf.c */
#include <linux/if_link.h>
#include <xdp/libxdp.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "datapath/xdp/program.h"
#include "lib/log.h"

/* libbpf and libxdp load, pin and find programs; finding those of others by their number is
 * CAP_SYS_ADMIN's. */
static const struct needs_call xdp_calls[] = {NEEDS_CALL(bpf), NEEDS_CALL(flock), NEEDS_CALL(mkdir),
	NEEDS_CALL(statfs), NEEDS_CALL(fstatfs), NEEDS_CALL(unlink), NEEDS_CALL(rmdir),
	NEEDS_CALL(sendmmsg), NEEDS_SOCKET(AF_NETLINK), NEEDS_SOCKET(AF_PACKET),
	NEEDS_SOCKET(AF_XDP), NEEDS_IOCTL(SIOCETHTOOL), NEEDS_IOCTL(SIOCGIFINDEX), NEEDS_NO_MORE};

const struct needs xdp_needs = {
	.capabilities = NEEDS_CAPABILITY(CAP_NET_ADMIN) | NEEDS_CAPABILITY(CAP_NET_RAW) |
			NEEDS_CAPABILITY(CAP_BPF) | NEEDS_CAPABILITY(CAP_SYS_ADMIN),
	.calls = xdp_calls,
};

#define DISPATCHER      "xdp_dispatcher" /* libxdp's program that runs others */
#define DISPATCHER_PINS "/xdp"           /* libxdp's directory in the BPF file system */

enum share_map { MAP_SETTINGS, MAP_ADDRESSES, MAP_SOCKETS, MAP_COUNTERS, MAPS };
static const char *const map_names[MAPS] = {"settings", "addresses", "sockets", "counters"};

struct xdp_share {
	int ifindex;
	int maps[MAPS];
	struct xdp_share_status status;
};

/* ---- what the libraries have to say ---- */

static int
print_bpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[512];
	size_t len;

	(void)level;
	vsnprintf(text, sizeof(text), format, arguments);
	len = strcspn(text, "\n");
	text[len] = '\0';
	log_debug("%s", text);
	return 0;
}

static int
print_xdp(enum libxdp_print_level level, const char *format, va_list arguments)
{
	return print_bpf((enum libbpf_print_level)level, format, arguments);
}

/* ---- finding it ---- */

/* Of the object that is built in. */
static uint64_t
identity(void)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	const uint8_t *bytes;
	size_t size;

	bytes = share_bpf__elf_bytes(&size);
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static void
close_maps(struct xdp_share *share)
{
	for (unsigned i = 0; i < MAPS; i++)
		if (share->maps[i] >= 0)
			close(share->maps[i]);
	memset(share->maps, 0xff, sizeof(share->maps));
}

/* Opens the maps of a program by their names. */
static int
open_maps(struct xdp_share *share, int program)
{
	uint32_t ids[16], size;
	struct bpf_prog_info info = {.map_ids = (uintptr_t)ids, .nr_map_ids = 16};
	unsigned found = 0;

	size = sizeof(info);
	if (bpf_obj_get_info_by_fd(program, &info, &size) < 0)
		return -errno;
	for (unsigned i = 0; i < info.nr_map_ids && i < 16; i++) {
		int fd = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info map = {0};
		unsigned m = 0;

		if (fd < 0)
			return -errno;
		size = sizeof(map);
		if (bpf_obj_get_info_by_fd(fd, &map, &size) < 0)
			m = MAPS;
		while (m < MAPS && strcmp(map_names[m], map.name) != 0)
			m++;
		/* What another build made may be larger than what is read here. */
		if (m == MAP_SETTINGS && map.value_size != sizeof(struct share_settings))
			m = MAPS;
		if (m < MAPS && share->maps[m] < 0) {
			share->maps[m] = fd;
			found++;
		} else {
			close(fd);
		}
	}
	return found == MAPS ? 0 : -ENOENT;
}

/* Our program as it was found on an interface. */
struct found {
	int fd; /* -1: not there */
	uint32_t id;
	bool native, dispatcher;
};

/* The program of a descriptor: its name and number. */
static int
ask(int fd, char name[BPF_OBJ_NAME_LEN], uint32_t *id)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
		return -errno;
	memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	*id = info.id;
	return 0;
}

/* Looks among the programs that libxdp's dispatcher runs. */
static void
find_behind(int ifindex, struct found *found)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;

	if (libxdp_get_error(all))
		return;
	while ((program = xdp_multiprog__next_prog(program, all)))
		if (strcmp(xdp_program__name(program), SHARE_PROGRAM) == 0) {
			found->fd = fcntl(xdp_program__fd(program), F_DUPFD_CLOEXEC, 3);
			found->id = xdp_program__id(program);
			break;
		}
	xdp_multiprog__close(all);
}

/*
 * libxdp 1.3.1 keeps a descriptor open at each look at an interface with a program: it is asked only
 * where its dispatcher is.
 */
static void
find(int ifindex, struct found *found)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	char name[BPF_OBJ_NAME_LEN];
	int fd;

	*found = (struct found){.fd = -1};
	if (bpf_xdp_query(ifindex, 0, &query) < 0)
		return;
	found->native = query.drv_prog_id != 0;
	fd = bpf_prog_get_fd_by_id(found->native ? query.drv_prog_id : query.skb_prog_id);
	if (fd < 0)
		return;
	if (ask(fd, name, &found->id) == 0 && strcmp(name, SHARE_PROGRAM) == 0) {
		found->fd = fd;
		return;
	}
	close(fd);
	if (strcmp(name, DISPATCHER) == 0) {
		found->dispatcher = true;
		find_behind(ifindex, found);
	}
}

/* -ENOENT: there is none; -ESTALE: there is one that cannot be taken over. */
static int
adopt(struct xdp_share *share, uint64_t wanted, enum xdp_mode mode)
{
	struct share_settings settings;
	struct found found;
	int rc;

	find(share->ifindex, &found);
	if (found.fd < 0)
		return -ENOENT;
	rc = open_maps(share, found.fd);
	close(found.fd);
	if (rc == 0)
		rc = xdp_share_get(share, &settings);
	if (rc < 0 || settings.identity != wanted ||
		(mode != XDP_AUTO && found.native != (mode == XDP_NATIVE))) {
		close_maps(share);
		return -ESTALE;
	}
	share->status.native = found.native;
	share->status.dispatcher = found.dispatcher;
	share->status.id = found.id;
	return 0;
}

static void
leave_dispatcher(int ifindex)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;

	if (libxdp_get_error(all))
		return;
	while ((program = xdp_multiprog__next_prog(program, all)))
		if (strcmp(xdp_program__name(program), SHARE_PROGRAM) == 0)
			break;
	if (program)
		xdp_program__detach(program, ifindex, xdp_multiprog__attach_mode(all), 0);
	xdp_multiprog__close(all);
}

/*
 * libxdp's directory: gone when it was the last program on this host, and made again by us, since
 * libxdp makes it once per process.
 */
static void
keep_pins(bool keep)
{
	const char *bpffs = getenv("LIBXDP_BPFFS");
	char pins[256];

	snprintf(pins, sizeof(pins), "%s%s", bpffs ? bpffs : "/sys/fs/bpf", DISPATCHER_PINS);
	/* Fails where there is nothing to do, or programs are left. */
	if (keep)
		mkdir(pins, S_IRWXU);
	else
		rmdir(pins);
}

static void
detach(int ifindex)
{
	struct found found;

	find(ifindex, &found);
	if (found.fd >= 0 && found.dispatcher) {
		leave_dispatcher(ifindex);
	} else if (found.fd >= 0) {
		/* Only this one: another may have come in its place. */
		LIBBPF_OPTS(bpf_xdp_attach_opts, options, .old_prog_fd = found.fd);

		bpf_xdp_detach(ifindex,
			XDP_FLAGS_REPLACE |
				(found.native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE),
			&options);
	}
	if (found.fd >= 0)
		close(found.fd);
	keep_pins(false);
}

/* ---- attaching it ---- */

/*
 * frags: the program agrees to frames in several pieces, so that the host's MTU is not bounded by
 * it; Linux 5.18.
 */
static int
attach_in(const struct xdp_share_options *options, enum xdp_attach_mode mode, bool frags)
{
	struct share_bpf *object = share_bpf__open();
	struct xdp_program *program;
	struct share_settings settings = {.identity = identity(), .unattended = XDP_PASS};
	uint32_t zero = 0;
	int rc;

	if (!object)
		return errno ? -errno : -ENOMEM;
	program = xdp_program__from_bpf_obj(object->obj, "xdp");
	rc = (int)libxdp_get_error(program);
	if (rc == 0) {
		rc = xdp_program__set_xdp_frags_support(program, frags);
		if (rc == 0)
			rc = xdp_program__attach(program, options->ifindex, mode, 0);
		if (rc == 0 && bpf_map_update_elem(bpf_map__fd(object->maps.settings), &zero,
				       &settings, BPF_ANY) < 0)
			rc = -errno;
		xdp_program__close(program);
	}
	share_bpf__destroy(object);
	return rc;
}

static int
attach_as(const struct xdp_share_options *options, enum xdp_attach_mode mode)
{
	int rc = attach_in(options, mode, true);

	return rc == -EINVAL ? attach_in(options, mode, false) : rc;
}

static int
attach(struct xdp_share *share, const struct xdp_share_options *options)
{
	int rc = -EOPNOTSUPP;

	if (options->mode != XDP_GENERIC)
		rc = attach_as(options, XDP_MODE_NATIVE);
	if (rc == 0 || options->mode == XDP_NATIVE)
		return rc;
	if (options->mode == XDP_AUTO)
		snprintf(share->status.refused, sizeof(share->status.refused), "%s", strerror(-rc));
	return attach_as(options, XDP_MODE_SKB);
}

int
xdp_share_open(struct xdp_share **out, const struct xdp_share_options *options, struct err *err)
{
	struct xdp_share *share = calloc(1, sizeof(*share));
	struct xdp_facts facts;
	int rc;

	if (!share)
		return err_set(err, -ENOMEM, "out of memory");
	libbpf_set_print(print_bpf);
	libxdp_set_print(print_xdp);
	share->ifindex = options->ifindex;
	memset(share->maps, 0xff, sizeof(share->maps));
	xdp_facts_read(&facts, options->dev, options->ifindex);
	if (!facts.bpffs) {
		rc = xdp_explain(&facts, -ENODEV, err);
		goto fail;
	}
	keep_pins(true);
	rc = adopt(share, identity(), options->mode);
	if (rc == 0) {
		share->status.taken_over = true;
		*out = share;
		return 0;
	}
	/* One of another build or of another kind: its frames go to the host for a moment. */
	if (rc == -ESTALE)
		detach(options->ifindex);
	keep_pins(true);
	rc = attach(share, options);
	if (rc == 0)
		rc = adopt(share, identity(), XDP_AUTO);
	if (rc < 0) {
		xdp_facts_read(&facts, options->dev, options->ifindex);
		xdp_explain(&facts, rc, err);
		keep_pins(false);
		goto fail;
	}
	*out = share;
	return 0;
fail:
	close_maps(share);
	free(share);
	return rc;
}

void
xdp_share_close(struct xdp_share *share, bool and_detach)
{
	if (!share)
		return;
	close_maps(share);
	if (and_detach)
		detach(share->ifindex);
	free(share);
}

void
xdp_share_forget(int ifindex)
{
	libxdp_clean_references(ifindex);
}

void
xdp_share_status(const struct xdp_share *share, struct xdp_share_status *status)
{
	*status = share->status;
}

/* ---- its maps ---- */

int
xdp_share_get(const struct xdp_share *share, struct share_settings *settings)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(share->maps[MAP_SETTINGS], &zero, settings) < 0 ? -errno : 0;
}

int
xdp_share_set(const struct xdp_share *share, const struct share_settings *settings)
{
	struct share_settings next = *settings, now;
	uint32_t zero = 0;
	int rc = xdp_share_get(share, &now);

	if (rc < 0)
		return rc;
	next.identity = now.identity;
	return bpf_map_update_elem(share->maps[MAP_SETTINGS], &zero, &next, BPF_ANY) < 0 ? -errno
											 : 0;
}

int
xdp_share_socket(const struct xdp_share *share, unsigned queue, int fd)
{
	uint32_t key = queue;

	return bpf_map_update_elem(share->maps[MAP_SOCKETS], &key, &fd, BPF_ANY) < 0 ? -errno : 0;
}

int
xdp_share_address(const struct xdp_share *share, const struct mac *mac, bool present)
{
	struct share_address key = {0};
	uint32_t value = 1;
	int rc;

	memcpy(key.mac, mac, sizeof(key.mac));
	rc = present ? bpf_map_update_elem(share->maps[MAP_ADDRESSES], &key, &value, BPF_ANY)
		     : bpf_map_delete_elem(share->maps[MAP_ADDRESSES], &key);
	return rc < 0 ? -errno : 0;
}

void
xdp_share_sweep(const struct xdp_share *share, bool (*keep)(const struct mac *, void *), void *arg)
{
	struct share_address key, next;
	const void *at = NULL;
	int map = share->maps[MAP_ADDRESSES];
	bool gone = false;

	/* The one after a key is asked for before the key may go. */
	for (unsigned i = 0; i <= SHARE_ADDRESSES_MAX; i++) {
		struct mac mac;

		if (bpf_map_get_next_key(map, at, &next) < 0)
			break;
		if (gone)
			bpf_map_delete_elem(map, &key);
		key = next;
		at = &key;
		memcpy(&mac, key.mac, sizeof(mac));
		gone = !keep(&mac, arg);
	}
	if (gone)
		bpf_map_delete_elem(map, &key);
}

int
xdp_share_counters(const struct xdp_share *share, struct share_counters *sum)
{
	int cpus = libbpf_num_possible_cpus();
	struct share_counters *each;
	uint32_t zero = 0;
	int rc = 0;

	memset(sum, 0, sizeof(*sum));
	each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;
	if (!each)
		return -ENOMEM;
	if (bpf_map_lookup_elem(share->maps[MAP_COUNTERS], &zero, each) < 0)
		rc = -errno;
	for (int i = 0; rc == 0 && i < cpus; i++) {
		sum->host += each[i].host;
		sum->group += each[i].group;
		sum->taken += each[i].taken;
		sum->unattended += each[i].unattended;
	}
	free(each);
	return rc;
}
