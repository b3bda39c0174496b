/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "launcher/devices.h"
#include "lib/log.h"

#define COMMAND_MAX 16

/* ---- the serial port's input ---- */

static void
on_serial(evutil_socket_t fd, short what, void *arg)
{
	struct machine *machine = arg;
	uint8_t bytes[SERIAL_FIFO];
	ssize_t n = 0;
	size_t room;

	pthread_mutex_lock(&machine->bus.lock);
	room = serial_room(&machine->serial);
	if (room)
		n = read(fd, bytes, room);
	if (n > 0)
		serial_receive(&machine->serial, bytes, (size_t)n);
	pthread_mutex_unlock(&machine->bus.lock);
	if (!room || n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		event_del(machine->on_serial); /* until there is room; for good at its end */
}

static void
on_drained(evutil_socket_t fd, short what, void *arg)
{
	struct machine *machine = arg;
	eventfd_t count;

	if (!eventfd_read(fd, &count) && machine->on_serial)
		event_add(machine->on_serial, NULL);
}

/* ---- control ---- */

static void
end(struct machine *machine, enum machine_end how)
{
	if (!machine->ending) {
		machine->ending = true;
		machine->end = how;
	}
	event_base_loopbreak(machine->loop);
}

void
machine_tell(struct machine *machine)
{
	struct machine_event event = {
		.state = machine->state, .reboots = machine->reboots, .memory = machine->ram.size};
	int fd = machine->io->control_fd;

	if (machine->devices) {
		event.links = devices_links(machine->devices);
		event.memory = devices_memory(machine->devices);
	}
	if (fd >= 0 && send(fd, &event, sizeof(event), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("%s: nobody reads the state", machine->config->name);
}

static void
pause_or_resume(struct machine *machine, bool pause)
{
	if (pause && machine->state == MACHINE_RUNNING) {
		vcpus_pause(&machine->vcpus);
		machine->state = MACHINE_PAUSED;
	} else if (!pause && machine->state == MACHINE_PAUSED) {
		vcpus_resume(&machine->vcpus);
		machine->state = MACHINE_RUNNING;
	}
}

static void
obey(struct machine *machine, const uint8_t *command, size_t length)
{
	uint64_t keep;

	switch (command[0]) {
	case MACHINE_CMD_PAUSE:
	case MACHINE_CMD_RESUME:
		pause_or_resume(machine, command[0] == MACHINE_CMD_PAUSE);
		break;
	case MACHINE_CMD_BUTTON:
		eventfd_write(machine->button_interrupt, 1);
		break;
	case MACHINE_CMD_RESET:
		wish_raise(&machine->wish, WISH_RESET);
		break;
	case MACHINE_CMD_BALLOON:
		if (length == 1 + sizeof(keep) && machine->devices) {
			memcpy(&keep, command + 1, sizeof(keep));
			devices_balloon(machine->devices, keep);
		}
		break;
	case MACHINE_CMD_KILL:
		end(machine, MACHINE_KILLED);
		break;
	}
	machine_tell(machine);
}

static void
on_control(evutil_socket_t fd, short what, void *arg)
{
	struct machine *machine = arg;
	uint8_t command[COMMAND_MAX];
	ssize_t n = recv(fd, command, sizeof(command), MSG_DONTWAIT);

	if (n > 0)
		obey(machine, command, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end(machine, MACHINE_KILLED);
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	end(arg, MACHINE_KILLED);
}

static void
on_wish(evutil_socket_t fd, short what, void *arg)
{
	struct machine *machine = arg;
	unsigned wishes = wish_take(&machine->wish);

	if (wishes & WISH_CRASH)
		end(machine, MACHINE_CRASH);
	else if (wishes & WISH_SHUTDOWN)
		end(machine, MACHINE_SHUTDOWN);
	else if (wishes & WISH_RESET)
		end(machine, MACHINE_REBOOT);
	else
		machine_tell(machine);
}

/* ---- all of them ---- */

static int
watch(struct machine *machine, struct event **event, int fd, short what, event_callback_fn callback)
{
	*event = event_new(machine->loop, fd, (short)(what | EV_PERSIST), callback, machine);
	return *event && !event_add(*event, NULL) ? 0 : -ENOMEM;
}

/* What libevent would print by itself: the caller tells it better. */
static void
on_event_log(int severity, const char *text)
{
	log_debug("events: %s", text);
}

int
machine_loop_init(struct machine *m, struct err *err)
{
	static const int signals[] = {SIGTERM, SIGINT};
	struct event_config *config = event_config_new();
	int rc = 0;

	event_set_log_callback(on_event_log);
	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		m->loop = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (!m->loop)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < 2 && !rc; i++)
		rc = watch(m, &m->on_signal[i], signals[i], EV_SIGNAL, on_signal);
	if (!rc)
		rc = watch(m, &m->on_wish, m->wish.fd, EV_READ, on_wish);
	if (!rc)
		rc = watch(m, &m->on_drained, m->serial.drained, EV_READ, on_drained);
	if (!rc && m->io->serial_in >= 0 &&
		watch(m, &m->on_serial, m->io->serial_in, EV_READ, on_serial)) {
		event_free(m->on_serial); /* /dev/null and files have no events, nor input */
		m->on_serial = NULL;
	}
	if (!rc && m->io->control_fd >= 0)
		rc = watch(m, &m->on_control, m->io->control_fd, EV_READ, on_control);
	return rc ? err_set(err, rc, "waiting for events: %s", strerror(-rc)) : 0;
}

void
machine_loop_free(struct machine *machine)
{
	struct event *events[] = {machine->on_wish, machine->on_serial, machine->on_drained,
		machine->on_control, machine->on_signal[0], machine->on_signal[1]};

	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	if (machine->loop)
		event_base_free(machine->loop);
}
