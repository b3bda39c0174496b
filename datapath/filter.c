/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "datapath/expression.h"
#include "datapath/filter_impl.h"

#define GROUP_MAX      64    /* rules that one quick program speaks for */
#define GROUP_TEXT_MAX 16384 /* characters of their expressions */
#define CACHE_LINE     64

/* Can the rule be one of a group?  Sets and the whole of all frames are not libpcap's. */
static bool
groups(const struct filter_entry *e)
{
	return e->jit.bpf && !e->source && !e->target && expression_joins(e->expression);
}

/* "(a) or (b) or (c)"; *rules is how many. */
static char *
join(const struct filter_entry *first, unsigned left, unsigned *rules)
{
	size_t room = GROUP_TEXT_MAX, used = 0;
	char *text = malloc(room);
	unsigned n = 0;

	for (; text && n < left && n < GROUP_MAX && groups(&first[n]); n++) {
		size_t more = strlen(first[n].expression) + 8;

		if (used + more > room)
			break;
		used += (size_t)snprintf(
			text + used, room - used, "%s(%s)", n ? " or " : "", first[n].expression);
	}
	*rules = n;
	return text;
}

/* What can't be had costs speed only. */
static void
make_quick(struct filter_entry *first, unsigned left)
{
	struct bpf_program program;
	unsigned rules;
	char *text = join(first, left, &rules);

	if (text && rules && expression_compile(text, &program, NULL) == 0) {
		if (bpf_jit_create_quick(&first->quick, &program, NULL) == 0) {
			first->group = rules;
			first->program = program;
		} else {
			expression_free(&program);
		}
	}
	free(text);
}

static void
make_groups(struct filter *filter)
{
	for (unsigned i = 0; i < filter->count;) {
		struct filter_entry *e = &filter->rules[i];

		if (groups(e))
			make_quick(e, filter->count - i);
		i += e->group ? e->group : 1;
	}
	if (filter->count && filter->rules[0].group == filter->count)
		filter->memos = aligned_alloc(
			alignof(struct filter_memo), filter->workers * sizeof(*filter->memos));
	if (filter->memos)
		memset(filter->memos, 0, filter->workers * sizeof(*filter->memos));
}

static int
make_rule(struct filter_entry *e, const struct filter_rule *rule, struct err *err)
{
	struct bpf_program program;
	int rc;

	e->deny = rule->deny;
	e->source = rule->source;
	e->target = rule->target;
	e->priority = rule->priority;
	e->expression = strdup(rule->expression);
	if (!e->expression)
		return err_set(err, -ENOMEM, "out of memory");
	if (!rule->expression[0])
		return 0;
	rc = expression_compile(rule->expression, &program, err);
	if (rc < 0)
		return rc;
	rc = bpf_jit_create(&e->jit, &program, err);
	expression_free(&program);
	return rc;
}

/* Each worker's counters begin on a cache line of their own. */
static unsigned
stride(const struct filter *filter)
{
	unsigned per_line = CACHE_LINE / sizeof(struct filter_count);

	return (filter->count + 1 + per_line - 1) / per_line * per_line;
}

int
filter_create(struct filter **filter, const struct filter_rule *rules, unsigned count,
	bool deny_default, unsigned workers, struct err *err)
{
	struct filter *f = calloc(1, sizeof(*f));
	int rc = 0;

	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	f->count = count;
	f->workers = workers;
	f->deny_default = deny_default;
	f->stride = stride(f);
	f->rules = calloc(count + 1u, sizeof(*f->rules));
	f->inherited = calloc(count + 1u, sizeof(*f->inherited));
	f->counters = aligned_alloc(CACHE_LINE, workers * f->stride * sizeof(*f->counters));
	if (!f->rules || !f->inherited || !f->counters) {
		filter_destroy(f);
		return err_set(err, -ENOMEM, "out of memory");
	}
	memset(f->counters, 0, workers * f->stride * sizeof(*f->counters));
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = make_rule(&f->rules[i], &rules[i], err);
	if (rc < 0) {
		filter_destroy(f);
		return rc;
	}
	make_groups(f);
	*filter = f;
	return 0;
}

void
filter_destroy(struct filter *filter)
{
	if (!filter)
		return;
	for (unsigned i = 0; filter->rules && i < filter->count; i++) {
		bpf_jit_destroy(&filter->rules[i].jit);
		bpf_jit_destroy(&filter->rules[i].quick);
		if (filter->rules[i].group)
			expression_free(&filter->rules[i].program);
		free(filter->rules[i].expression);
	}
	free(filter->rules);
	free(filter->inherited);
	free(filter->memos);
	free(filter->counters);
	free(filter);
}

void
filter_set_default(struct filter *filter, bool deny)
{
	atomic_store_explicit(&filter->deny_default, deny, memory_order_relaxed);
}

void
filter_counters(const struct filter *filter, unsigned rule, struct filter_count *sum)
{
	*sum = filter->inherited[rule];
	for (unsigned w = 0; w < filter->workers; w++) {
		const struct filter_count *c = &filter->counters[w * filter->stride + rule];

		sum->packets += __atomic_load_n(&c->packets, __ATOMIC_RELAXED);
		sum->bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
	}
}

static bool
is_same(const struct filter_entry *a, const struct filter_entry *b)
{
	return a->priority == b->priority && a->deny == b->deny && a->source == b->source &&
	       a->target == b->target && strcmp(a->expression, b->expression) == 0;
}

void
filter_inherit(struct filter *filter, const struct filter *old)
{
	unsigned i = 0, o = 0;

	/* Both are in order of priority. */
	while (i < filter->count && o < old->count) {
		if (filter->rules[i].priority < old->rules[o].priority) {
			i++;
		} else if (filter->rules[i].priority > old->rules[o].priority) {
			o++;
		} else {
			if (is_same(&filter->rules[i], &old->rules[o]))
				filter_counters(old, o, &filter->inherited[i]);
			i++;
			o++;
		}
	}
	if (filter->deny_default == old->deny_default)
		filter_counters(old, old->count, &filter->inherited[filter->count]);
}
