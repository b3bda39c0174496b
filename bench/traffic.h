/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * traffic: what the guests of one thread send and how they judge what they receive.
 *
 * Guests come in pairs, `peer` being the other one.  A phase begins and ends with nothing on the way:
 *
 *	PHASE_CLOSED	a fixed number of frames on the way.  Two-way: each guest returns what it
 *			receives, addresses swapped.  One-way: the second guest only receives, the first
 *			one sends as frames arrive.
 *	PHASE_OPEN	frames leave by the clock, whatever arrives; what does not fit the ring at its
 *			time leaves later, what does not fit soon after the end never does.
 *
 * Frames of one buffer are returned in the buffer they came in, touched in their first 64 bytes only.
 * Longer ones, mixed lengths and full verification are returned as frames from buffers of the
 * guest's own.
 *
 * Threads: a pair belongs to one thread while a phase runs.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdatomic.h>

#include "bench/frame.h"
#include "bench/guest.h"
#include "bench/head.h"
#include "bench/histogram.h"
#include "bench/sequence.h"

#define TRAFFIC_BURST_MAX   64
#define TRAFFIC_SIZES       3 /* lengths in a mix */
#define TRAFFIC_ROUND_SCALE 64

/* What one guest saw and did in a phase. */
struct tally {
	uint64_t sent, received, bytes; /* frames, frames, bytes of frames received */
	uint64_t lost, duplicates, reordered, corrupt; /* make a run fail */
	uint64_t stray, foreign;                       /* frames for others, frames of others */
	uint64_t inspected;                            /* of those received, judged in every byte */
	uint64_t unsent;                               /* due and never sent */
	uint64_t stuck; /* of those lost: the switch has not given their buffers back */
};

/* The lengths of frames in turn. */
struct traffic_mix {
	unsigned count; /* lengths */
	uint32_t sizes[TRAFFIC_SIZES];
	uint8_t turn[12]; /* which length each of `turns` successive frames has */
	unsigned turns;
};

struct endpoint {
	struct guest *guest;
	struct endpoint *peer;
	struct frame_path out, in;
	const struct traffic_mix *mix;
	struct frame_shape out_shapes[TRAFFIC_SIZES], in_shapes[TRAFFIC_SIZES];
	bool verify_full;
	unsigned burst;
	unsigned full; /* frames of a turn that found as much as it takes; 0 = burst */

	struct frame_cursor next, expected; /* of the next frame sent, received */
	struct head out_heads[TRAFFIC_SIZES], in_heads[TRAFFIC_SIZES]; /* of these frames */
	struct sequence arrivals;
	struct tally tally;
	/* Buffers of a frame whose last ones were not collected yet. */
	struct driver_used held[GUEST_CHAIN_MAX];
	unsigned held_count;

	/* The phase. */
	bool sends, returns; /* returns: answers what it receives */
	unsigned credit;     /* closed: frames that may be sent */
	uint64_t begun;      /* number of the first frame sent */
	uint64_t due;        /* open: frames that were due when the phase ended */
	double interval;     /* open: TSC cycles between two frames */
	uint64_t start_tsc;  /* when the first one is due */
};

enum phase_kind { PHASE_CLOSED, PHASE_OPEN };

struct phase {
	enum phase_kind kind;
	bool two_way;
	double rate;     /* open: frames/s of each guest that sends */
	unsigned window; /* closed: frames on the way of each guest that sends */
	/* Open: TSC cycles after the end in which frames that were due before may still leave. */
	uint64_t grace;
	uint64_t quiet;  /* TSC cycles without a frame after which what is missing is lost */
	uint64_t frames; /* open: end after so many of each guest; 0 = by time */
	uint8_t run;     /* marks the frames of the phase */
	bool latency;    /* open: record it */
	bool full_rounds; /* record the cycles of rounds in which guests found whole bursts or nothing */
	uint64_t tsc_hz;
};

/* What a phase is in; each comes after the one before it, some may be left out. */
enum traffic_stage {
	TRAFFIC_SETTLE,  /* frames go, nothing counts for the rates */
	TRAFFIC_MEASURE, /* the window */
	TRAFFIC_DRAIN,   /* no further frames leave */
	TRAFFIC_ABORT,   /* end at once */
};

/* Sums over the guests of a thread, within the time that counts. */
struct traffic_window {
	uint64_t frames, bytes, cycles;
	uint64_t busy;        /* cycles in turns that received frames */
	uint64_t turns, full; /* turns that received frames; those that found a whole burst */
	uint64_t waited_ns;   /* ready to run, and without a CPU */
};

struct traffic {
	struct endpoint *endpoints;
	unsigned count;
	struct phase phase;
	bool any; /* frames of several buffers, or full verification */
	struct traffic_window window;
	struct histogram latency; /* TSC cycles from the time a frame was due to its arrival */
	struct histogram rounds;  /* cycles per frame of full rounds, times TRAFFIC_ROUND_SCALE */
	uint64_t late;            /* most TSC cycles by which frames left after they were due */
	_Atomic int stage;        /* set by the thread that waits */
	void (*on_round)(void *arg); /* called by the thread after each round; NULL = nothing */
	void *arg;
	_Atomic uint64_t progress; /* frames received so far */
	bool broken;               /* a ring holds what it must not */
};

void traffic_mix_single(struct traffic_mix *mix, uint32_t size);
/* 64, 594 and 1514 bytes, 7:4:1. */
void traffic_mix_imix(struct traffic_mix *mix);
double traffic_mix_mean(const struct traffic_mix *mix);

/*
 * Runs a phase on the calling thread: until `stage` says that it is over, or a phase of so many
 * frames has sent them, and then until everything has arrived or is lost.
 */
void traffic_run(struct traffic *traffic);

#endif
