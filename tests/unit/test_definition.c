/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Definitions of virtual machines: from JSON and YAML, addresses and names that are derived, the command
 * line of QEMU, kernels that are looked at.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/definition.h"
#include "launcher/kernel_file.h"
#include "launcher/qemu_arguments.h"
#include "lib/parse.h"

#define MINIMAL "\"name\": \"vm1\", \"kernel\": \"/k\""

static int
read_json(struct vm_definition *def, const char *text, struct err *err)
{
	json_t *json = json_loads(text, 0, NULL);
	int r;

	assert_non_null(json);
	definition_init(def);
	r = definition_take(def, NULL, json, NULL, err);
	if (r == 0)
		r = definition_complete(def, err);
	json_decref(json);
	return r;
}

static void
accepted(struct vm_definition *def, const char *text)
{
	struct err err = {0};

	if (read_json(def, text, &err))
		fail_msg("%s: %s", text, err.text);
}

static void
refused(const char *text, int code, const char *says)
{
	struct vm_definition def;
	struct err err = {0};
	int r = read_json(&def, text, &err);

	if (r != code || !strstr(err.text, says))
		fail_msg("%s: %d, \"%s\" does not say \"%s\"", text, r, err.text, says);
}

static void
test_defaults(void **state)
{
	struct vm_definition def;

	accepted(&def, "{" MINIMAL "}");
	assert_int_equal(def.vm.cpus, 1);
	assert_true(def.vm.memory == UINT64_C(512) << 20);
	assert_string_equal(def.vm.append, "console=ttyS0");
	assert_int_equal(def.vm.engine, ENGINE_AUTO);
	assert_int_equal(def.vm.on_reboot, ON_REBOOT_RESTART);
	assert_int_equal(def.net_count, 0);
	assert_int_equal(def.disk_count, 0);
}

static void
test_parts(void **state)
{
	struct vm_definition def;
	struct mac mac;

	accepted(&def,
		"{" MINIMAL ", \"net\": [{\"bridge\": \"br0\", \"tag\": 10}, \"br1,queues=4\","
		"{\"socket\": \"/s\", \"mac\": \"02:00:00:00:00:05\"}],"
		"\"disk\": \"/d,ro\"}");
	assert_int_equal(def.net_count, 3);
	assert_string_equal(def.nets[0].port, "vm1.0");
	assert_string_equal(def.nets[1].port, "vm1.1");
	assert_string_equal(def.nets[2].port, "");
	assert_string_equal(def.nets[2].path, "/s");
	assert_int_equal(def.nets[0].set.tag, 10);
	assert_int_equal(def.nets[1].set.queues, 4);
	mac = definition_mac("vm1", 1);
	assert_memory_equal(&def.nets[1].set.mac, &mac, sizeof(mac));
	assert_int_equal(def.nets[2].set.mac.b[5], 5);
	assert_int_equal(def.disk_count, 1);
	assert_true(def.disks[0].ro);
}

static void
test_refusals(void **state)
{
	refused("{\"kernel\": \"/k\"}", -EINVAL, "needs a name");
	refused("{\"name\": \"vm1\"}", -EINVAL, "needs a kernel");
	refused("{" MINIMAL ", \"memry\": 1}", -EINVAL, "did you mean \"memory\"");
	refused("{" MINIMAL ", \"cpus\": 0}", -ERANGE, "cpus");
	refused("{" MINIMAL ", \"net\": [{}]}", -EINVAL, "net 0 needs one of two");
	refused("{" MINIMAL ", \"net\": [{\"bridge\": \"b\", \"socket\": \"/s\"}]}", -EINVAL,
		"only one");
	refused("{" MINIMAL ", \"net\": [{\"socket\": \"/s\", \"profile\": \"vm\"}]}", -EINVAL,
		"profile=");
	refused("{" MINIMAL ", \"net\": [{\"bridge\": \"b\", \"nothing\": 1}]}", -EINVAL,
		"net: a net has no key");
	refused("{" MINIMAL ", \"disk\": [{}]}", -EINVAL, "file");
	refused("{" MINIMAL ", \"disk\": [\"/d,ro\", \"/d\"]}", -EEXIST, "given twice");
	refused("{\"name\": \"a123456789012345678901234567890\", \"kernel\": \"/k\", \"net\": \"b\"}",
		-ERANGE, "no room");
}

static void
test_store(void **state)
{
	struct vm_definition def, back;
	struct err err;
	json_t *json;

	accepted(&def, "{" MINIMAL
		       ", \"memory\": \"1G\", \"net\": [\"br0,trunks=1,5-7\"], \"disk\": \"/d\"}");
	json = definition_store(&def);
	assert_non_null(json);
	definition_init(&back);
	assert_int_equal(definition_take(&back, NULL, json, NULL, &err), 0);
	assert_int_equal(definition_complete(&back, &err), 0);
	assert_memory_equal(&def, &back, sizeof(def));
	json_decref(json);
}

/* Stable for ever, administered locally, unicast; different for all that people use. */
static void
test_macs(void **state)
{
	static struct mac seen[2000];
	char text[MAC_TEXT_SIZE], name[16];
	struct mac mac = definition_mac("vm1", 0);

	assert_string_equal(mac_format(&mac, text), "5e:79:15:30:a1:0e");
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "vm%u", i / 2);
		seen[i] = definition_mac(name, i % 2);
		assert_int_equal(seen[i].b[0] & 3, 2);
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(&seen[i], &seen[j], sizeof(struct mac));
	}
}

static void
write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Paths begin in the file's folder; the name is the file's or the folder's. */
static void
test_files(void **state)
{
	char folder[] = "/tmp/test_definition.XXXXXX", path[128], want[128];
	struct vm_definition def;
	struct err err = {0};

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/web.yaml", folder);
	write_text(path, "kernel: vmlinuz\ninitrd: /abs\ndisk:\n- file: a.img\n- b.img,ro\n"
			 "net: bridge=br0\n");
	assert_int_equal(definition_load(&def, path, &err), 0);
	assert_string_equal(def.vm.name, "web");
	snprintf(want, sizeof(want), "%s/vmlinuz", folder);
	assert_string_equal(def.vm.kernel, want);
	assert_string_equal(def.vm.initrd, "/abs");
	snprintf(want, sizeof(want), "%s/b.img", folder);
	assert_string_equal(def.disks[1].file, want);
	unlink(path);
	assert_int_equal(definition_load(&def, path, &err), -ENOENT);

	snprintf(path, sizeof(path), "%s/vm.yaml", folder);
	write_text(path, "kernel: vmlinuz\n");
	assert_int_equal(definition_load(&def, folder, &err), 0);
	assert_string_equal(def.vm.name, strrchr(folder, '/') + 1);
	write_text(path, "name: other\nkernel: vmlinuz\ncpus: many\n");
	assert_int_equal(definition_load(&def, folder, &err), -EINVAL);
	assert_non_null(strstr(err.text, "vm.yaml:3: cpus"));
	write_text(path, "kernel: vmlinuz\nnet:\n- bridge: br0\n- bridge: br0\n  tag: 9999\n");
	assert_int_equal(definition_load(&def, folder, &err), -ERANGE);
	assert_non_null(strstr(err.text, "vm.yaml:4: net: tag"));
	write_text(path, "");
	assert_int_equal(definition_load(&def, folder, &err), -EINVAL);
	unlink(path);
	rmdir(folder);
}

/* Is the word there, behind `option` unless that is NULL? */
static bool
has_words(char *const *words, const char *option, const char *word)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0 && (!option || strcmp(words[-1], option) == 0))
			return true;
	return false;
}

static void
test_qemu_words(void **state)
{
	struct vm_definition def;
	char **words;

	accepted(&def,
		"{" MINIMAL ", \"append\": \"a b,c\", \"memory\": \"256M\", \"cpus\": 2,"
		"\"on_reboot\": \"stop\", \"net\": [\"socket=/s,queues=2,mac=02:00:00:00:00:01\","
		"{\"socket\": \"/a,b\", \"server\": true}], \"disk\": [\"/x,ro\"]}");
	words = qemu_arguments(&def, false);
	assert_true(has_words(words, "-append", "a b,c"));
	assert_true(has_words(words, "-smp", "2"));
	assert_true(has_words(words, "-m", "262144K"));
	assert_true(has_words(words, NULL, "-no-reboot"));
	assert_true(has_words(words, "-accel", "tcg,thread=multi"));
	assert_true(has_words(words, "-chardev", "socket,id=card0,path=/s,reconnect=1"));
	assert_true(has_words(words, "-chardev", "socket,id=card1,path=/a,,b,server=on,wait=off"));
	assert_true(has_words(words, "-device",
		"virtio-net-pci,netdev=net0,mac=02:00:00:00:00:01,romfile=,mq=on,vectors=0"));
	assert_true(has_words(words, "-blockdev",
		"{\"driver\":\"raw\",\"node-name\":\"disk0\",\"read-only\":true,\"discard\":\"unmap\","
		"\"file\":{\"driver\":\"file\",\"filename\":\"/x\",\"discard\":\"unmap\"}}"));
	qemu_arguments_free(words);
	words = qemu_arguments(&def, true);
	assert_true(has_words(words, "-accel", "kvm"));
	assert_true(has_words(words, "-device",
		"virtio-net-pci,netdev=net0,mac=02:00:00:00:00:01,romfile=,mq=on,vectors=6"));
	qemu_arguments_free(words);
}

static void
put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* A bzImage's header with every fault in turn. */
static void
test_kernel_header(void **state)
{
	uint8_t head[KERNEL_HEAD_SIZE] = {0};
	uint64_t need;

	head[0x1f1] = 39;
	put32(head + 0x1f4, 1000);
	head[0x1fe] = 0x55;
	head[0x1ff] = 0xaa;
	memcpy(head + 0x202, "HdrS", 4);
	head[0x206] = 0x0f;
	head[0x207] = 2;
	head[0x236] = 1;
	put32(head + 0x258, 0x1000000);
	put32(head + 0x260, 0x3378000);
	assert_int_equal(kernel_need(head, sizeof(head), 40 * 512 + 16000, &need), 0);
	assert_true(need == 0x4378000);
	assert_int_equal(kernel_need(head, sizeof(head), 40 * 512 + 15999, &need), -ENODATA);
	assert_int_equal(kernel_need(head, 0x267, 100000, &need), -ENOEXEC);
	head[0x236] = 0;
	assert_int_equal(kernel_need(head, sizeof(head), 100000, &need), -ENOTSUP);
	head[0x236] = 1;
	head[0x206] = 0x0b;
	assert_int_equal(kernel_need(head, sizeof(head), 100000, &need), -ENOTSUP);
	head[0x206] = 0x0f;
	memset(head + 0x258, 0xff, 8);
	assert_int_equal(kernel_need(head, sizeof(head), 100000, &need), -ENOEXEC);
	head[0x202] = 'h';
	assert_int_equal(kernel_need(head, sizeof(head), 100000, &need), -ENOEXEC);
	memset(head, 0, sizeof(head));
	assert_int_equal(kernel_need(head, sizeof(head), sizeof(head), &need), -ENOEXEC);
	assert_int_equal(kernel_need(head, 0, 0, &need), -ENOEXEC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_macs),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_qemu_words),
		cmocka_unit_test(test_kernel_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
