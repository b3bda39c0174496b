/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine: the virtual machine monitor by itself, for tests: machine_run() with what the words say.
 *
 *	machine kernel=FILE [initrd=FILE] [append=TEXT] [cpus=N] [memory=MIB] [disk=FILE[,ro]]...
 *		[net=SOCKET,MAC[,QUEUES]]... [console=FILE] [control=FD] [no-reboot]
 *	machine probe		says whether KVM runs ordinary kernels here; exit code 0 or 1
 *
 * The serial port is standard input and output; console=FILE is a named pipe or terminal for
 * virtio-console, console=4 is descriptor 4; control=3 is the control socket. The exit code is that
 * of machine_run().
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/machine.h"
#include "launcher/probe.h"
#include "lib/log.h"
#include "lib/parse.h"

static _Noreturn void
usage(const char *word)
{
	fprintf(stderr, "machine: \"%s\": see the head of tests/tools/machine.c\n", word);
	exit(2);
}

static unsigned
number(const char *text)
{
	uint64_t value;

	if (parse_u64(text, 0, 1u << 30, &value))
		usage(text);
	return (unsigned)value;
}

static void
text(char *to, size_t size, const char *value)
{
	if ((size_t)snprintf(to, size, "%s", value) >= size)
		usage(value);
}

static void
add_disk(struct vm_config *config, char *value)
{
	struct vm_disk *disk = &config->disks[config->disk_count++];
	char *option = strchr(value, ',');

	if (option) {
		*option++ = 0;
		disk->readonly = !strcmp(option, "ro");
		disk->direct = !strcmp(option, "direct");
	}
	text(disk->path, sizeof(disk->path), value);
}

static void
add_net(struct vm_config *config, char *value)
{
	struct vm_net *net = &config->nets[config->net_count++];
	char *save, *word = strtok_r(value, ",", &save);

	text(net->socket, sizeof(net->socket), word ? word : "");
	word = strtok_r(NULL, ",", &save);
	if (!word || parse_mac(word, &net->mac))
		usage("net");
	while ((word = strtok_r(NULL, ",", &save))) {
		if (!strncmp(word, "queues=", 7))
			net->queues = number(word + 7);
		else if (!strncmp(word, "mtu=", 4))
			net->mtu = number(word + 4);
		else if (!strcmp(word, "listen"))
			net->listen = true;
		else if (!strcmp(word, "split"))
			net->packed = false;
		else
			usage(word);
	}
}

static void
take(struct vm_config *config, struct machine_io *io, char *word)
{
	char *value = strchr(word, '=');

	value = value ? value + 1 : word + strlen(word);
	if (!strncmp(word, "kernel=", 7))
		text(config->kernel, sizeof(config->kernel), value);
	else if (!strncmp(word, "initrd=", 7))
		text(config->initrd, sizeof(config->initrd), value);
	else if (!strncmp(word, "append=", 7))
		text(config->cmdline, sizeof(config->cmdline), value);
	else if (!strncmp(word, "cpus=", 5))
		config->cpus = number(value);
	else if (!strncmp(word, "memory=", 7))
		config->memory = (uint64_t)number(value) << 20;
	else if (!strncmp(word, "disk=", 5) && config->disk_count < VM_DISKS_MAX)
		add_disk(config, value);
	else if (!strncmp(word, "net=", 4) && config->net_count < VM_NETS_MAX)
		add_net(config, value);
	else if (!strncmp(word, "console=", 8)) {
		config->console = true;
		io->console_in = io->console_out = *value >= '0' && *value <= '9'
							   ? (int)number(value)
							   : open(value, O_RDWR | O_NOCTTY);
		if (io->console_in < 0)
			usage(word);
	} else if (!strncmp(word, "control=", 8))
		io->control_fd = (int)number(value);
	else if (!strcmp(word, "no-reboot"))
		config->no_reboot = true;
	else if (!strcmp(word, "hugepages"))
		config->hugepages = true;
	else
		usage(word);
}

static int
probe(void)
{
	struct probe_result result;
	char text[256];
	bool works;

	probe_run(&result);
	works = probe_explain(&result, text, sizeof(text));
	puts(text);
	return works ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct machine_io io = {.serial_in = STDIN_FILENO,
		.serial_out = STDOUT_FILENO,
		.console_in = -1,
		.console_out = -1,
		.control_fd = -1};
	struct vm_config config;
	struct err err = {0};
	int end;

	if (argc == 2 && !strcmp(argv[1], "probe"))
		return probe();
	log_start("machine", LOG_LEVEL_DEBUG);
	vm_config_init(&config);
	text(config.name, sizeof(config.name), "test");
	for (int i = 1; i < argc; i++)
		take(&config, &io, argv[i]);
	end = machine_run(&config, &io, &err);
	if (err.code)
		fprintf(stderr, "machine: %s\n", err.text);
	return end;
}
