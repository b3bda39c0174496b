/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/config.h"
#include "control/options.h"
#include "control/rights.h"
#include "lib/parse.h"
#include "vhost/vring_level.h"

#define IDLE_US_MAX 1000000

/* ---- one function per option; value is NULL for those that take none ---- */

static int
set_workers(struct options *o, const char *value, struct err *err)
{
	int rc = parse_cpus(value, o->datapath.cpus, WORKER_MAX, &o->datapath.cpu_count);

	if (rc == -ENOSPC)
		return err_set(err, rc, "--workers %s: at most %d workers are possible", value,
			WORKER_MAX);
	if (rc == -EEXIST)
		return err_set(err, rc,
			"--workers %s: a CPU is named twice: a worker has one of its own", value);
	if (rc < 0)
		return err_set(
			err, rc, "--workers %s: give CPU numbers, for instance 1 or 2,4-7", value);
	return 0;
}

/* Relative to the directory the program was started in. */
static int
set_socket(struct options *o, const char *value, struct err *err)
{
	char here[PATH_MAX] = "";
	int n;

	if (value[0] != '/' && !getcwd(here, sizeof(here)))
		return err_set(err, -errno, "--socket %s: %s", value, strerror(errno));
	n = snprintf(o->socket, sizeof(o->socket), "%s%s%s", here, here[0] ? "/" : "", value);
	if (!value[0] || n < 0 || (size_t)n >= sizeof(o->socket))
		return err_set(
			err, -EINVAL, "--socket %.100s: give the path of a Unix socket", value);
	return 0;
}

static int
set_socket_mode(struct options *o, const char *value, struct err *err)
{
	uint64_t mode;
	int rc = parse_octal(value, 1, 0777, &mode);

	if (rc < 0)
		return err_set(err, rc,
			"--socket-mode %s: give permissions in octal, for instance 0660", value);
	o->socket_mode = (mode_t)mode;
	return 0;
}

static int
set_socket_owner(struct options *o, const char *value, struct err *err)
{
	const struct passwd *user = getpwnam(value);

	if (!user)
		return err_set(err, -EINVAL,
			"--socket-owner %s: there is no such user: see `getent passwd`", value);
	o->socket_owner = user->pw_uid;
	return 0;
}

static int
find_group(const char *option, const char *value, gid_t *gid, struct err *err)
{
	const struct group *group = getgrnam(value);

	if (!group)
		return err_set(err, -EINVAL, "%s %s: there is no such group: see `getent group`",
			option, value);
	*gid = group->gr_gid;
	return 0;
}

static int
set_socket_group(struct options *o, const char *value, struct err *err)
{
	return find_group("--socket-group", value, &o->socket_group, err);
}

static int
set_read_group(struct options *o, const char *value, struct err *err)
{
	return find_group("--read-group", value, &o->read_group, err);
}

static int
set_config(struct options *o, const char *value, struct err *err)
{
	(void)err;
	o->config = value;
	return 0;
}

static int
set_state(struct options *o, const char *value, struct err *err)
{
	(void)err;
	o->state = value;
	return 0;
}

static int
set_busy_poll(struct options *o, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	o->datapath.busy_poll = true;
	return 0;
}

static int
set_idle_us(struct options *o, const char *value, struct err *err)
{
	uint64_t us;
	int rc = parse_u64(value, 1, IDLE_US_MAX, &us);

	if (rc < 0)
		return err_set(
			err, rc, "--idle-us %s: give microseconds, 1..%d", value, IDLE_US_MAX);
	o->datapath.idle_us = (unsigned)us;
	return 0;
}

static int
set_no_huge(struct options *o, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	o->datapath.hugepages = false;
	return 0;
}

static int
set_iova(struct options *o, const char *value, struct err *err)
{
	if (strcmp(value, "va") != 0 && strcmp(value, "pa") != 0)
		return err_set(err, -EINVAL, "--iova %s: give va or pa", value);
	o->datapath.physical = value[0] == 'p';
	return 0;
}

/* At once: rings are created long after. */
static int
set_vectors(struct options *o, const char *value, struct err *err)
{
	struct err why;
	int rc = vring_level_select(value, &why);

	(void)o;
	return rc < 0 ? err_set(err, rc, "--vectors %s", why.text) : 0;
}

static int
set_takeover(struct options *o, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	o->takeover = true;
	return 0;
}

/* Bit of a type's name; 0 = there is no such type. */
static unsigned
port_type_bit(const char *name, size_t length)
{
	static const char *const names[] = {
#define X(identifier, name, help) [PORT_TYPE_##identifier] = name,
		PORT_TYPE_LIST(X)
#undef X
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return 1u << i;
	}
	return 0;
}

static int
set_port_types(struct options *o, const char *value, struct err *err)
{
	unsigned types = 0;

	for (const char *word = value;; word++) {
		size_t length = strcspn(word, ",");
		unsigned bit = port_type_bit(word, length);

		if (!bit)
			return err_set(err, -EINVAL,
				"--port-types %s: \"%.*s\" is no type of port: see `patchbay port "
				"add --help`",
				value, (int)length, word);
		types |= bit;
		word += length;
		if (!*word)
			break;
	}
	o->port_types = types;
	return 0;
}

static int
set_no_confine(struct options *o, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	o->no_confine = true;
	return 0;
}

static int
set_log_level(struct options *o, const char *value, struct err *err)
{
	if (log_level_parse(value, &o->log_level) < 0)
		return err_set(
			err, -EINVAL, "--log-level %s: give error, warning, info or debug", value);
	return 0;
}

static int
set_help(struct options *o, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	o->help = true;
	return 0;
}

static int
set_version(struct options *o, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	o->version = true;
	return 0;
}

static const struct {
	const char *name, *argument; /* argument NULL = takes none */
	int (*set)(struct options *o, const char *value, struct err *err);
	const char *help;
} table[] = {
	{"workers", "CPULIST", set_workers,
		"CPUs to move packets on, one worker pinned to each (1,3-5);\n"
		"default: the last CPU this process may use"},
	{"socket", "PATH", set_socket,
		"control socket; default: $XDG_RUNTIME_DIR/patchbay/control.sock\n"
		"for a user that has one, else /run/patchbay/control.sock"},
	{"socket-mode", "OCTAL", set_socket_mode,
		"permissions of the control socket; default: 0660"},
	{"socket-owner", "USER", set_socket_owner, "owner of the control socket"},
	{"socket-group", "GROUP", set_socket_group,
		"group of the control socket; its members may change things"},
	{"read-group", "GROUP", set_read_group,
		"group whose members may look and change nothing; all others than these\n"
		"and those who may change things are turned away; the socket's\n"
		"permissions are 0666 then, unless --socket-mode says otherwise"},
	{"config", "FILE", set_config, "configuration to apply at start, and again on SIGHUP"},
	{"state", "DIR", set_state,
		"directory for what a crash must not lose: what runs, learnt addresses,\n"
		"counters; a restart goes on with them, unless --config FILE has changed"},
	{"busy-poll", NULL, set_busy_poll, "workers never sleep: lowest latency, whole CPUs used"},
	{"idle-us", "N", set_idle_us,
		"microseconds without work before a worker sleeps; default: 100"},
	{"no-huge", NULL, set_no_huge, "use no hugepages even if there are some"},
	{"iova", "MODE", set_iova,
		"pa: physical addresses for network cards without IOMMU (needs\n"
		"hugepages and root); default: va"},
	{"vectors", "LEVEL", set_vectors,
		"x86-64-v2, -v3 or -v4: vectors (SSE, AVX2, AVX-512) used on the rings\n"
		"of guests; default: auto, the best that the processor has"},
	{"takeover", NULL, set_takeover,
		"take the place of the daemon that runs, with all its connections:\n"
		"guests notice nothing; it ends when this one is ready"},
	{"port-types", "LIST", set_port_types,
		"types of ports that there may be (vhost-user,tap): when it is ready the\n"
		"daemon gives up what the others need; default: all types"},
	{"no-confine", NULL, set_no_confine,
		"keep all rights and system calls: for debuggers and sanitizers"},
	{"log-level", "LEVEL", set_log_level, "error, warning, info or debug; default: info"},
	{"help", NULL, set_help, "print this help"},
	{"version", NULL, set_version, "print the version"},
};

#define COUNT (sizeof(table) / sizeof(table[0]))

int
options_parse(struct options *options, int argc, char **argv, struct err *err)
{
	struct option longs[COUNT + 1] = {0};
	int row, rc;

	memset(options, 0, sizeof(*options));
	options->datapath.hugepages = true;
	options->socket_owner = (uid_t)-1;
	options->socket_group = (gid_t)-1;
	options->read_group = (gid_t)-1;
	options->log_level = LOG_LEVEL_INFO;
	options->port_types = RIGHTS_ALL_TYPES;
	for (size_t i = 0; i < COUNT; i++)
		longs[i] = (struct option){table[i].name,
			table[i].argument ? required_argument : no_argument, NULL, (int)i + 256};
	optind = 0;
	opterr = 0;
	while ((row = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (row == ':')
			return err_set(err, -EINVAL, "%s needs a value: see `patchbayd --help`",
				argv[optind - 1]);
		if (row == '?')
			return err_set(err, -EINVAL,
				"unknown option \"%s\": see `patchbayd --help`", argv[optind - 1]);
		rc = table[row - 256].set(options, optarg, err);
		if (rc < 0)
			return rc;
	}
	if (optind < argc)
		return err_set(err, -EINVAL, "unexpected argument \"%s\": see `patchbayd --help`",
			argv[optind]);
	return 0;
}

void
options_print_help(FILE *file)
{
	fprintf(file,
		"Usage: patchbayd [OPTION]...\n"
		"The patchbay switch: forwards frames between virtual machines and interfaces.\n"
		"Talk to it with the command patchbay.\n\n");
	for (size_t i = 0; i < COUNT; i++) {
		const char *help = table[i].help, *newline;
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", table[i].name,
			table[i].argument ? " " : "", table[i].argument ? table[i].argument : "");
		while ((newline = strchr(help, '\n'))) {
			fprintf(file, "  %-22s %.*s\n", left, (int)(newline - help), help);
			help = newline + 1;
			left[0] = '\0';
		}
		fprintf(file, "  %-22s %s\n", left, help);
	}
}
