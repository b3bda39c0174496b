/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/schema.h"
#include "launcher/vm_dir.h"
#include "lib/fd.h"
#include "lib/parse.h"

#define REGISTER ".register"

/* ---- paths ---- */

char *
vm_dir_file(const struct vm_dir *dir, const char *name, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s/%s", dir->path, name);
	return buffer;
}

static int
base_path(char *buffer, size_t size, const char *sub)
{
	char runtime[UNIX_SOCKET_PATH_SIZE];
	int r = api_runtime_dir(runtime, sizeof(runtime));

	if (r)
		return r;
	return snprintf(buffer, size, "%s/%s", runtime, sub) < (int)size ? 0 : -ENAMETOOLONG;
}

static int
dir_paths(struct vm_dir *dir, const char *name, struct err *err)
{
	char vm[UNIX_SOCKET_PATH_SIZE], log[UNIX_SOCKET_PATH_SIZE];

	memset(dir, 0, sizeof(*dir));
	dir->lock = -1;
	if (base_path(vm, sizeof(vm), "vm") || base_path(log, sizeof(log), "log") ||
		strlen(vm) + strlen(name) + sizeof("//console.sock") > sizeof(dir->path) ||
		strlen(log) + strlen(name) + sizeof("//.console.1") > sizeof(dir->log))
		return err_set(err, -ENAMETOOLONG,
			"the path of the sockets of \"%s\" would be longer than %zu bytes: choose a "
			"shorter $XDG_RUNTIME_DIR or name",
			name, sizeof(dir->path) - 1);
	snprintf(dir->path, sizeof(dir->path), "%.70s/%.31s", vm, name);
	snprintf(dir->log, sizeof(dir->log), "%.70s/%.31s", log, name);
	return 0;
}

static int
make_folders(const char *path, struct err *err)
{
	char part[UNIX_SOCKET_PATH_SIZE];

	for (const char *p = path + 1; *p; p++) {
		if (p[1] != '/' && p[1] != '\0')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)(p + 1 - path), path);
		/* The runtime directory itself others may search: a port's socket lies below it. */
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_set(err, -errno, "cannot make the directory %s: %s", part,
				strerror(errno));
	}
	return 0;
}

/* ---- locks ---- */

static int
lock_register(int *fd, struct err *err)
{
	char path[UNIX_SOCKET_PATH_SIZE], log[UNIX_SOCKET_PATH_SIZE];
	int r;

	*fd = -1;
	if (base_path(path, sizeof(path) - sizeof(REGISTER), "vm") ||
		base_path(log, sizeof(log), "log"))
		return err_set(err, -ENAMETOOLONG, "$XDG_RUNTIME_DIR is too long");
	r = make_folders(path, err);
	if (r == 0)
		r = make_folders(log, err);
	if (r)
		return r;
	memcpy(path + strlen(path), "/" REGISTER, sizeof("/" REGISTER));
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0 || flock(*fd, LOCK_EX) < 0)
		r = err_set(err, -errno, "cannot lock %s: %s", path, strerror(errno));
	if (r)
		fd_close(fd);
	return r;
}

bool
vm_dir_is_alive(const struct vm_dir *dir)
{
	char path[PATH_MAX];
	int fd = open(vm_dir_file(dir, "lock", path, sizeof(path)), O_RDONLY | O_CLOEXEC);
	bool alive = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;

	fd_close(&fd);
	return alive;
}

/* ---- what is written down ---- */

json_t *
vm_dir_definition(const struct vm_dir *dir)
{
	char path[PATH_MAX];

	return json_load_file(vm_dir_file(dir, "vm.json", path, sizeof(path)), 0, NULL);
}

static int
write_definition(const struct vm_dir *dir, const struct vm_definition *def, struct err *err)
{
	json_t *json = definition_store(def);
	char path[PATH_MAX];
	int r = 0;

	if (!json || json_dump_file(json, vm_dir_file(dir, "vm.json", path, sizeof(path)), 0))
		r = err_set(err, -EIO, "cannot write %s", path);
	json_decref(json);
	return r;
}

/* ---- others ---- */

static void
each_name(const struct dirent *const *entries, int count, void (*callback)(void *, const char *),
	void *arg)
{
	for (int i = 0; i < count; i++)
		if (name_is_valid(entries[i]->d_name, CONFIG_NAME_SIZE))
			callback(arg, entries[i]->d_name);
}

void
vm_dir_each(void (*callback)(void *arg, const char *name), void *arg)
{
	char path[UNIX_SOCKET_PATH_SIZE];
	struct dirent **entries;
	int count;

	if (base_path(path, sizeof(path), "vm"))
		return;
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0)
		return;
	each_name((const struct dirent *const *)entries, count, callback, arg);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
}

struct comparison {
	const struct vm_definition *def;
	struct err *err;
	int r;
};

static int
compare_macs(
	const struct vm_definition *def, const char *other, const json_t *nets, struct err *err)
{
	const json_t *net;
	size_t i;

	json_array_foreach (nets, i, net) {
		const char *text = json_string_value(json_object_get(net, "mac"));
		struct mac mac;

		if (!text || parse_mac(text, &mac))
			continue;
		for (unsigned n = 0; n < def->net_count; n++)
			if (memcmp(&def->nets[n].set.mac, &mac, sizeof(mac)) == 0)
				return err_set(err, -EEXIST,
					"net %u: the address %s belongs to virtual machine \"%s\", which "
					"runs: give another with mac=",
					n, text, other);
	}
	return 0;
}

static int
compare_disks(
	const struct vm_definition *def, const char *other, const json_t *disks, struct err *err)
{
	const json_t *disk;
	size_t i;

	json_array_foreach (disks, i, disk) {
		const char *file = json_string_value(json_object_get(disk, "file"));
		bool ro = json_is_true(json_object_get(disk, "ro"));
		struct stat theirs, ours;

		if (!file || stat(file, &theirs) < 0)
			continue;
		for (unsigned n = 0; n < def->disk_count; n++)
			if (stat(def->disks[n].file, &ours) == 0 && ours.st_dev == theirs.st_dev &&
				ours.st_ino == theirs.st_ino && !(ro && def->disks[n].ro))
				return err_set(err, -EBUSY,
					"the disk %.300s is used by virtual machine \"%s\"",
					def->disks[n].file, other);
	}
	return 0;
}

static void
compare(void *arg, const char *name)
{
	struct comparison *c = arg;
	struct vm_dir dir;
	json_t *json;

	if (c->r || strcmp(name, c->def->vm.name) == 0 || dir_paths(&dir, name, NULL) ||
		!vm_dir_is_alive(&dir))
		return;
	json = vm_dir_definition(&dir);
	c->r = compare_macs(c->def, name, json_object_get(json, "net"), c->err);
	if (c->r == 0)
		c->r = compare_disks(c->def, name, json_object_get(json, "disk"), c->err);
	json_decref(json);
}

/* ---- claim and release ---- */

static void
remove_files(const char *path, bool lock_too)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (lock_too || strcmp(entry->d_name, "lock") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static int
take_lock(struct vm_dir *dir, const char *name, struct err *err)
{
	char path[PATH_MAX];

	if (mkdir(dir->path, 0755) < 0 && errno != EEXIST)
		return err_set(err, -errno, "cannot make the directory %s: %s", dir->path,
			strerror(errno));
	vm_dir_file(dir, "lock", path, sizeof(path));
	dir->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (dir->lock >= 0 && flock(dir->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		err_set(err, -EEXIST,
			"virtual machine \"%s\" runs already: see `patchbay vm show %s`", name,
			name);
	else
		err_set(err, -errno, "cannot lock %s: %s", path, strerror(errno));
	fd_close(&dir->lock);
	return err->code;
}

static int
name_ports(const struct vm_dir *dir, struct vm_definition *def, struct err *err)
{
	for (unsigned i = 0; i < def->net_count; i++)
		if (def->nets[i].port[0] &&
			snprintf(def->nets[i].path, sizeof(def->nets[i].path), "%s/net%u.sock",
				dir->path, i) >= (int)sizeof(def->nets[i].path))
			return err_set(err, -ENAMETOOLONG, "the path of a port would be too long");
	return 0;
}

static int
claim(struct vm_dir *dir, struct vm_definition *def, struct err *err)
{
	struct comparison comparison = {.def = def, .err = err};
	int r = take_lock(dir, def->vm.name, err);

	if (r)
		return r;
	/* Leftovers of a supervisor that was killed. */
	remove_files(dir->path, false);
	r = name_ports(dir, def, err);
	if (r == 0) {
		vm_dir_each(compare, &comparison);
		r = comparison.r;
	}
	return r ? r : write_definition(dir, def, err);
}

int
vm_dir_claim(struct vm_dir *dir, struct vm_definition *def, struct err *err)
{
	struct err local;
	int registry, r;

	err = err ? err : &local;
	r = dir_paths(dir, def->vm.name, err);
	if (r)
		return r;
	r = lock_register(&registry, err);
	if (r == 0)
		r = claim(dir, def, err);
	if (r && dir->lock >= 0) {
		remove_files(dir->path, true);
		rmdir(dir->path);
		fd_close(&dir->lock);
	}
	if (r)
		dir->path[0] = '\0';
	fd_close(&registry);
	return r;
}

void
vm_dir_release(struct vm_dir *dir)
{
	int registry;

	if (dir->lock < 0)
		return;
	lock_register(&registry, NULL);
	remove_files(dir->path, true);
	rmdir(dir->path);
	fd_close(&dir->lock);
	fd_close(&registry);
	dir->path[0] = '\0';
}

bool
vm_dir_sweep(struct vm_dir *dir)
{
	bool dead;
	int registry;

	if (lock_register(&registry, NULL))
		return false;
	dead = !vm_dir_is_alive(dir);
	if (dead) {
		remove_files(dir->path, true);
		rmdir(dir->path);
	}
	fd_close(&registry);
	return dead;
}

int
vm_dir_find(struct vm_dir *dir, const char *name, struct err *err)
{
	int r = dir_paths(dir, name, err);

	if (r)
		return r;
	if (access(dir->path, F_OK) == 0)
		return 0;
	return err_set(
		err, -ENOENT, "no virtual machine \"%s\" runs: see `patchbay vm list`", name);
}
