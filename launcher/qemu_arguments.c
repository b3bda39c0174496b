/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "launcher/qemu_arguments.h"
#include "lib/parse.h"

#define WORDS_MAX (64 + 8 * (CONFIG_VM_NETS_MAX + CONFIG_VM_DISKS_MAX))

struct words {
	char *word[WORDS_MAX];
	unsigned count;
	bool failed;
};

static void __attribute__((format(printf, 2, 3))) add(struct words *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (w->count + 1 >= WORDS_MAX || vasprintf(&w->word[w->count], format, args) < 0)
		w->failed = true;
	else
		w->word[++w->count] = NULL;
	va_end(args);
}

static void
add_pair(struct words *w, const char *option, const char *value)
{
	add(w, "%s", option);
	add(w, "%s", value);
}

/* A comma inside of a value is written twice. */
static char *
escape(const char *text, char buffer[2 * CONFIG_FILE_SIZE])
{
	char *p = buffer;

	for (; *text && p < buffer + 2 * CONFIG_FILE_SIZE - 2; text++) {
		if (*text == ',')
			*p++ = ',';
		*p++ = *text;
	}
	*p = '\0';
	return buffer;
}

static void
add_machine(struct words *w, const struct vm_settings *vm, bool kvm)
{
	uint64_t kib = vm->memory >> 10;

	add_pair(w, "-name", vm->name);
	add_pair(w, "-machine", "q35,memory-backend=memory,usb=off,vmport=off");
	add_pair(w, "-accel", kvm ? "kvm" : "tcg,thread=multi");
	/* TCG has no five-level page tables that Linux could use. */
	add_pair(w, "-cpu", kvm ? "host" : "max,la57=off");
	add(w, "-smp");
	add(w, "%" PRIu32, vm->cpus);
	add(w, "-m");
	add(w, "%" PRIu64 "K", kib);
	/* vhost-user back ends read and write the memory of the guest: it is shared. */
	add(w, "-object");
	add(w, "memory-backend-memfd,id=memory,size=%" PRIu64 "K,share=on%s%s", kib,
		vm->hugepages ? ",hugetlb=on,hugetlbsize=2M" : "",
		vm->prefault ? ",prealloc=on" : "");
	add_pair(w, "-kernel", vm->kernel);
	if (vm->initrd[0])
		add_pair(w, "-initrd", vm->initrd);
	if (vm->append[0])
		add_pair(w, "-append", vm->append);
	if (vm->on_reboot == ON_REBOOT_STOP)
		add(w, "-no-reboot");
}

static void
add_devices(struct words *w)
{
	add(w, "-chardev");
	add(w, "socket,id=console,fd=%d", QEMU_FD_CONSOLE);
	add_pair(w, "-serial", "chardev:console");
	add(w, "-chardev");
	add(w, "socket,id=qmp,fd=%d", QEMU_FD_QMP);
	add_pair(w, "-mon", "chardev=qmp,mode=control");
	add_pair(w, "-device", "virtio-rng-pci");
	add_pair(w, "-device", "virtio-balloon-pci,free-page-reporting=on");
	/* A guest with the driver says that it has panicked, and QEMU ends. */
	add_pair(w, "-device", "pvpanic");
	add_pair(w, "-action", "panic=shutdown");
}

static void
add_net(struct words *w, const struct definition_net *net, unsigned i, bool kvm)
{
	char path[2 * CONFIG_FILE_SIZE], mac[MAC_TEXT_SIZE];
	unsigned queues = net->set.queues;

	add(w, "-chardev");
	add(w, "socket,id=card%u,path=%s%s", i, escape(net->path, path),
		net->set.server ? ",server=on,wait=off" : ",reconnect=1");
	add(w, "-netdev");
	add(w, "vhost-user,id=net%u,chardev=card%u,queues=%u", i, i, queues);
	add(w, "-device");
	/* QEMU 7.2 crashes in msix_set_vector_notifiers() under TCG with vhost-user and MSI-X.  Without
	 * an option ROM the firmware does not try to boot from the network. */
	if (net->set.mtu)
		add(w, "virtio-net-pci,netdev=net%u,mac=%s,romfile=,mq=%s,vectors=%u,host_mtu=%" PRIu32,
			i, mac_format(&net->set.mac, mac), queues > 1 ? "on" : "off",
			kvm ? 2 * queues + 2 : 0, net->set.mtu);
	else
		add(w, "virtio-net-pci,netdev=net%u,mac=%s,romfile=,mq=%s,vectors=%u", i,
			mac_format(&net->set.mac, mac), queues > 1 ? "on" : "off",
			kvm ? 2 * queues + 2 : 0);
}

static void
add_disk(struct words *w, const struct disk_settings *disk, unsigned i)
{
	struct stat st;
	bool block = stat(disk->file, &st) == 0 && S_ISBLK(st.st_mode);
	json_t *json;
	char *text, id[16];

	snprintf(id, sizeof(id), "disk%u", i);
	json = json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s, s:s}}", "driver", "raw", "node-name",
		id, "read-only", disk->ro, "discard", "unmap", "file", "driver",
		block ? "host_device" : "file", "filename", disk->file, "discard", "unmap");
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (text)
		add_pair(w, "-blockdev", text);
	else
		w->failed = true;
	free(text);
	json_decref(json);
	add(w, "-device");
	add(w, "virtio-blk-pci,drive=%s,serial=%s", id, id);
}

char **
qemu_arguments(const struct vm_definition *def, bool kvm)
{
	struct words *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	add(w, "%s", QEMU_PROGRAM);
	add(w, "-nodefaults");
	add(w, "-no-user-config");
	add_pair(w, "-display", "none");
	add_pair(w, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny");
	add_machine(w, &def->vm, kvm);
	add_devices(w);
	for (unsigned i = 0; i < def->net_count; i++)
		add_net(w, &def->nets[i], i, kvm);
	for (unsigned i = 0; i < def->disk_count; i++)
		add_disk(w, &def->disks[i], i);
	if (w->failed) {
		qemu_arguments_free(w->word);
		return NULL;
	}
	return w->word;
}

/* `word` is the first member. */
void
qemu_arguments_free(char **words)
{
	for (char **p = words; p && *p; p++)
		free(*p);
	free(words);
}
