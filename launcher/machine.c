/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "launcher/acpi.h"
#include "launcher/boot.h"
#include "launcher/devices.h"
#include "launcher/layout.h"
#include "lib/fd.h"
#include "lib/log.h"

/* ---- what lives as long as the process ---- */

static int
open_file(int given, const char *path, int *fd, struct err *err)
{
	*fd = given >= 0 ? fd_duplicate(given) : open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	*fd = -1;
	return err_set(err, -errno, "%s: %s", path, strerror(errno));
}

static int
open_files(struct machine *m, struct err *err)
{
	const struct vm_config *config = m->config;
	int rc = open_file(config->kernel_fd, config->kernel, &m->kernel_fd, err);

	if (!rc && (config->initrd[0] || config->initrd_fd >= 0))
		rc = open_file(config->initrd_fd, config->initrd, &m->initrd_fd, err);
	return rc;
}

static int
open_eventfds(struct machine *m, struct err *err)
{
	int *fds[] = {&m->serial_interrupt, &m->button_interrupt, &m->serial.drained};
	int rc = wish_open(&m->wish);

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]) && !rc; i++) {
		*fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		rc = *fds[i] < 0 ? -errno : 0;
	}
	return rc ? err_set(err, rc, "eventfd: %s", strerror(-rc)) : 0;
}

static void
processor_ended(void *arg, const char *why)
{
	struct machine *m = arg;

	pthread_mutex_lock(&m->bus.lock);
	if (!m->crash.code)
		err_set(&m->crash, -EFAULT, "%s", why);
	pthread_mutex_unlock(&m->bus.lock);
	wish_raise(&m->wish, WISH_CRASH);
}

static int
prepare_cpu(void *machine)
{
	return sandbox_enter(&((struct machine *)machine)->sandbox, SANDBOX_CPU);
}

/* From here on the process can do little more than run a guest. */
static int
machine_confine(struct machine *m, struct err *err)
{
	int rc = sandbox_prepare(&m->sandbox, err);

	if (!rc)
		rc = sandbox_process(err);
	if (!rc)
		rc = devices_run(m->devices, err);
	if (rc)
		return rc;
	rc = sandbox_enter(&m->sandbox, SANDBOX_MAIN);
	return rc ? err_set(err, rc, "filtering system calls: %s", strerror(-rc)) : 0;
}

static int
machine_init(struct machine *m, struct err *err)
{
	const struct ram_options ram = {.size = m->config->memory,
		.hugepages = m->config->hugepages,
		.thp = m->config->thp,
		.prefault = m->config->prefault};
	const struct machine_io *io = m->io;
	int rc = open_files(m, err);

	if (!rc)
		rc = kvm_open(&m->kvm, err);
	if (!rc)
		rc = ram_create(&m->ram, &ram, err);
	if (!rc)
		rc = open_eventfds(m, err);
	if (rc)
		return rc;
	m->vcpus = (struct vcpus){.kvm = &m->kvm,
		.bus = &m->bus,
		.count = m->config->cpus,
		.ended = processor_ended,
		.prepare = prepare_cpu,
		.arg = m};
	m->serial.out = io->serial_out;
	m->serial.interrupt = m->serial_interrupt;
	if (io->serial_out >= 0)
		fd_set_nonblocking(io->serial_out);
	if (io->serial_in >= 0)
		fd_set_nonblocking(io->serial_in);
	bus_init(&m->bus);
	legacy_init(&m->legacy, &m->bus, &m->wish);
	bus_add(&m->bus,
		&(struct bus_range){.first = PORT_COM1,
			.size = SERIAL_PORTS,
			.read = serial_read,
			.write = serial_write},
		1, &m->serial);
	rc = machine_loop_init(m, err);
	if (!rc)
		rc = devices_create(&m->devices, m, err);
	return rc ? rc : machine_confine(m, err);
}

static void
machine_free(struct machine *m)
{
	devices_destroy(m->devices);
	machine_loop_free(m);
	kvm_close(&m->kvm);
	ram_destroy(&m->ram);
	fd_close(&m->wish.fd);
	fd_close(&m->serial_interrupt);
	fd_close(&m->button_interrupt);
	fd_close(&m->serial.drained);
	sandbox_free(&m->sandbox);
	fd_close(&m->kernel_fd);
	fd_close(&m->initrd_fd);
}

/* ---- one start of the guest ---- */

static int
guest_start(struct machine *m, struct err *err)
{
	const struct boot_files files = {.kernel = m->config->kernel,
		.initrd = m->config->initrd,
		.cmdline = m->config->cmdline,
		.kernel_fd = m->kernel_fd,
		.initrd_fd = m->initrd_fd};
	struct boot_entry entry;
	int rc = boot_load(&m->ram, &files, &entry, err);

	if (!rc)
		rc = acpi_write(&m->ram, m->config->cpus, err);
	if (!rc)
		rc = kvm_create(&m->kvm, &m->ram, err);
	if (rc)
		return rc;
	serial_reset(&m->serial);
	devices_reset(m->devices);
	rc = kvm_irqfd(&m->kvm, m->serial_interrupt, IRQ_COM1, true);
	if (!rc)
		rc = kvm_irqfd(&m->kvm, m->button_interrupt, IRQ_BUTTON, true);
	if (rc)
		return err_set(err, rc, "interrupts: %s", strerror(-rc));
	rc = vcpus_create(&m->vcpus, &entry, err);
	return rc ? rc : vcpus_start(&m->vcpus, err);
}

static void
guest_stop(struct machine *m)
{
	vcpus_destroy(&m->vcpus);
	devices_stop(m->devices);
	kvm_destroy(&m->kvm);
}

/* One life of the guest, from its start until something ends it. */
static enum machine_end
guest_live(struct machine *m, struct err *err)
{
	int rc = guest_start(m, err);

	m->ending = false;
	m->end = MACHINE_ERROR;
	if (!rc) {
		m->state = MACHINE_RUNNING;
		machine_tell(m);
		while (!m->ending && event_base_dispatch(m->loop) >= 0)
			;
	}
	guest_stop(m);
	wish_take(&m->wish);
	if (m->serial.lost)
		log_warning("%s: %llu bytes of the serial port's output were not taken",
			m->config->name, (unsigned long long)m->serial.lost);
	return m->end;
}

int
machine_run(const struct vm_config *config, const struct machine_io *io, struct err *err)
{
	struct machine m = {.config = config,
		.io = io,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.serial_interrupt = -1,
		.button_interrupt = -1,
		.kvm = {.device = -1, .vm = -1},
		.ram.fd = -1,
		.serial.drained = -1,
		.wish.fd = -1};
	enum machine_end end = MACHINE_ERROR;
	int rc = vm_config_check(config, err);

	signal(SIGPIPE, SIG_IGN);
	if (!rc)
		rc = vcpu_signals();
	if (!rc)
		rc = machine_init(&m, err);
	if (rc && m.ending) { /* while it waited for something */
		*err = (struct err){0};
		machine_free(&m);
		return m.end;
	}
	while (!rc) {
		end = guest_live(&m, err);
		if (end != MACHINE_REBOOT || config->no_reboot)
			break;
		m.reboots++;
		rc = ram_clear(&m.ram);
	}
	if (end == MACHINE_CRASH)
		*err = m.crash;
	m.state = MACHINE_ENDING;
	machine_tell(&m);
	machine_free(&m);
	return rc ? MACHINE_ERROR : end;
}
