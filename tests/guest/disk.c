/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to a disk that contradict themselves or its size: each is answered, or needs a reset. */
#include <linux/virtio_blk.h>
#include <string.h>

#include "launcher/virtio_device.h"
#include "tests/guest/virtio.h"

#define NEXT        VIRTQ_DESC_F_NEXT
#define IN          VIRTQ_DESC_F_WRITE
#define END         UINT64_C(2048) /* sectors */
#define DATA        (buffer + 1024)
#define NEEDS_RESET 0x100
#define SILENT      0x101
#define TURNS       1000000

struct request_row {
	const char *what;
	uint32_t type;
	uint64_t sector;
	uint32_t length; /* of data, 0 = none */
	bool in;         /* the device writes the data */
	unsigned status;
};

static const struct request_row requests[] = {
	{"read behind the end", VIRTIO_BLK_T_IN, END, 512, true, VIRTIO_BLK_S_IOERR},
	{"read over the end", VIRTIO_BLK_T_IN, END - 1, 1024, true, VIRTIO_BLK_S_IOERR},
	{"read at the end of numbers", VIRTIO_BLK_T_IN, UINT64_MAX, 512, true, VIRTIO_BLK_S_IOERR},
	{"read where bytes wrap", VIRTIO_BLK_T_IN, UINT64_C(1) << 55, 512, true,
		VIRTIO_BLK_S_IOERR},
	{"write behind the end", VIRTIO_BLK_T_OUT, END, 512, false, VIRTIO_BLK_S_IOERR},
	{"write over the end", VIRTIO_BLK_T_OUT, END - 1, 1024, false, VIRTIO_BLK_S_IOERR},
	{"read half a sector", VIRTIO_BLK_T_IN, 0, 256, true, VIRTIO_BLK_S_IOERR},
	{"write a sector and a byte", VIRTIO_BLK_T_OUT, 0, 513, false, VIRTIO_BLK_S_IOERR},
	{"read without room", VIRTIO_BLK_T_IN, 0, 0, true, VIRTIO_BLK_S_OK},
	{"read into what is to be read", VIRTIO_BLK_T_IN, 0, 512, false, VIRTIO_BLK_S_OK},
	{"write from what is to be written", VIRTIO_BLK_T_OUT, 0, 512, true, VIRTIO_BLK_S_OK},
	{"an unknown type", 77, 0, 512, true, VIRTIO_BLK_S_UNSUPP},
	{"a type of SCSI", 2, 0, 512, false, VIRTIO_BLK_S_UNSUPP},
	{"name without room", VIRTIO_BLK_T_GET_ID, 0, 0, true, VIRTIO_BLK_S_OK},
	{"discard without a range", VIRTIO_BLK_T_DISCARD, 0, 0, false, VIRTIO_BLK_S_IOERR},
	{"discard with half a range", VIRTIO_BLK_T_DISCARD, 0, 8, false, VIRTIO_BLK_S_IOERR},
	{"discard with two ranges", VIRTIO_BLK_T_DISCARD, 0, 32, false, VIRTIO_BLK_S_IOERR},
};

struct range_row {
	const char *what;
	uint32_t type;
	uint64_t sector;
	uint32_t sectors, flags;
	unsigned status;
};

static const struct range_row ranges[] = {
	{"discard behind the end", VIRTIO_BLK_T_DISCARD, END, 1, 0, VIRTIO_BLK_S_IOERR},
	{"discard over the end", VIRTIO_BLK_T_DISCARD, 1, 2048, 0, VIRTIO_BLK_S_IOERR},
	{"discard that wraps", VIRTIO_BLK_T_DISCARD, UINT64_MAX, 2, 0, VIRTIO_BLK_S_IOERR},
	{"discard of nothing", VIRTIO_BLK_T_DISCARD, 0, 0, 0, VIRTIO_BLK_S_OK},
	{"discard with flags", VIRTIO_BLK_T_DISCARD, 0, 1, 1, VIRTIO_BLK_S_UNSUPP},
	{"zeroes over the end", VIRTIO_BLK_T_WRITE_ZEROES, 2047, 2, 0, VIRTIO_BLK_S_IOERR},
	{"zeroes without end", VIRTIO_BLK_T_WRITE_ZEROES, 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR},
	{"zeroes with unknown flags", VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2, VIRTIO_BLK_S_UNSUPP},
	{"zeroes that unmap", VIRTIO_BLK_T_WRITE_ZEROES, 16, 8, 1, VIRTIO_BLK_S_OK},
};

/* The status of the chain at descriptor 0. */
static unsigned
answer(struct driver *disk)
{
	buffer[512] = 0xee;
	offer(disk, 0);
	if (came_back(disk))
		return buffer[512];
	return wants_reset(disk) ? NEEDS_RESET : SILENT;
}

static unsigned
ask(struct driver *disk, const struct request_row *row)
{
	*(struct virtio_blk_outhdr *)(void *)buffer =
		(struct virtio_blk_outhdr){.type = row->type, .sector = row->sector};
	part(0, buffer, sizeof(struct virtio_blk_outhdr), NEXT, row->length ? 1 : 2);
	part(1, DATA, row->length, NEXT | (row->in ? IN : 0), 2);
	part(2, buffer + 512, 1, IN, 0);
	return answer(disk);
}

static void
start_disk(struct driver *disk)
{
	start_device(
		disk, VIRTIO_BIT(VIRTIO_BLK_F_DISCARD) | VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES));
}

static void
ask_for_ranges(struct driver *disk)
{
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct range_row *row = &ranges[i];
		const struct request_row request = {row->what, row->type, 0,
			sizeof(struct virtio_blk_discard_write_zeroes), false, 0};

		*(struct virtio_blk_discard_write_zeroes *)(void *)DATA =
			(struct virtio_blk_discard_write_zeroes){
				row->sector, row->sectors, row->flags};
		expect(row->what, ask(disk, &request), row->status);
	}
}

/* Chains that are no request at all. */
static void
send_no_requests(struct driver *disk)
{
	start_disk(disk);
	part(0, buffer, 8, NEXT, 1);
	part(1, buffer + 512, 1, IN, 0);
	expect("half a header", answer(disk), NEEDS_RESET);
	start_disk(disk);
	part(0, buffer, 4096, 0, 0);
	expect("no room for a status", answer(disk), NEEDS_RESET);
	start_disk(disk);
	part(0, buffer + 512, 512, IN, 0);
	expect("no header", answer(disk), NEEDS_RESET);
}

static void
use_read_only_disk(struct driver *disk)
{
	const struct request_row read = {"", VIRTIO_BLK_T_IN, 0, 512, true, 0};
	const struct request_row write = {"", VIRTIO_BLK_T_OUT, 0, 512, false, 0};
	const struct request_row discard = {"", VIRTIO_BLK_T_DISCARD, 0, 16, false, 0};
	const struct request_row flush = {"", VIRTIO_BLK_T_FLUSH, 0, 0, false, 0};

	topic("read-only disk");
	start_disk(disk);
	expect("read", ask(disk, &read), VIRTIO_BLK_S_OK);
	memset(DATA, 0, 512);
	((uint8_t *)DATA)[8] = 1; /* one sector */
	expect("write", ask(disk, &write), VIRTIO_BLK_S_IOERR);
	expect("discard", ask(disk, &discard), VIRTIO_BLK_S_IOERR);
	expect("flush", ask(disk, &flush), VIRTIO_BLK_S_OK);
	expect_works(disk);
}

void
run_disk(void)
{
	struct driver disk, second;

	topic("devices");
	expect("are there",
		driver_find(&disk, VIRTIO_ID_BLOCK, 0) && driver_find(&second, VIRTIO_ID_BLOCK, 1),
		1);
	topic("disk");
	expect("size", get(disk.config, 8), END);
	start_disk(&disk);
	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		expect(requests[i].what, ask(&disk, &requests[i]), requests[i].status);
	ask_for_ranges(&disk);
	send_no_requests(&disk);
	expect_works(&disk);
	use_read_only_disk(&second);
}

/* Reads again and again until the answer is another; false: it never was. */
static bool
ask_until(struct driver *disk, const struct request_row *row, unsigned wanted)
{
	for (unsigned n = 0; n < TURNS; n++)
		if (ask(disk, row) == wanted)
			return true;
	return false;
}

/* A file that becomes shorter while it is used, and is then as before. */
void
run_shrink(void)
{
	static const struct request_row first = {"", VIRTIO_BLK_T_IN, 0, 512, true, 0};
	static const struct request_row last = {"", VIRTIO_BLK_T_IN, END - 8, 4096, true, 0};
	struct driver disk;

	topic("disk");
	expect("is there", driver_find(&disk, VIRTIO_ID_BLOCK, 0), 1);
	start_disk(&disk);
	expect("read", ask(&disk, &last), VIRTIO_BLK_S_OK);
	say("shrink\n");
	expect("what is gone", ask_until(&disk, &last, VIRTIO_BLK_S_IOERR), 1);
	for (unsigned n = 0; n < 5; n++)
		expect("is gone", ask(&disk, &last), VIRTIO_BLK_S_IOERR);
	expect("what is left", ask(&disk, &first), VIRTIO_BLK_S_OK);
	say("grow\n");
	expect("what is there again", ask_until(&disk, &last, VIRTIO_BLK_S_OK), 1);
}
