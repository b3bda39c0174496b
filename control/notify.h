/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify: tells the service manager how far we are (sd_notify(3), protocol only).
 */
#ifndef CONTROL_NOTIFY_H
#define CONTROL_NOTIFY_H

/*
 * Sends "READY=1", "STOPPING=1", ... to $NOTIFY_SOCKET.  0 when nobody asked for it; else negative
 * errno.
 */
int notify(const char *message);

#endif
