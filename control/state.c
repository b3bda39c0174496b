/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "control/apply.h"
#include "control/config_file.h"
#include "control/saver.h"
#include "control/state.h"
#include "lib/log.h"

#define STEP_TEXT_MAX 2048

/* A change under way. */
struct change {
	struct state *state;
	struct model truth; /* what runs if the change fails: the old model less what is lost */
};

static int
perform(void *arg, const struct step *step, struct err *err)
{
	struct change *change = arg;

	return live_perform(change->state->live, step, err);
}

static void
lost_port(struct model *truth, const struct step *inverse)
{
	const struct port_config *old = inverse->to;
	struct port_config *p = model_port(truth, old->name);

	if (inverse->kind == STEP_SET_PORT)
		*p = *(const struct port_config *)inverse->from;
	else if (p)
		model_del_port(truth, p);
}

static void
lost_bridge(struct model *truth, const struct step *inverse)
{
	const struct bridge_config *old = inverse->to;
	struct bridge_config *b = old ? model_bridge(truth, old->name) : NULL;

	if (inverse->kind == STEP_SET_BRIDGE) {
		*b = *(const struct bridge_config *)inverse->from;
		return;
	}
	if (inverse->kind == STEP_DEL_BRIDGE) {
		model_add_bridge(truth, inverse->from, NULL);
		return;
	}
	model_del_bridge(truth, b);
	for (unsigned i = 0; i < truth->port_count; i++) {
		if (strcmp(truth->ports[i].bridge, old->name) == 0)
			memset(truth->ports[i].bridge, 0, sizeof(truth->ports[i].bridge));
	}
}

/* Rules or addresses that stay as the failed change made them. */
static void
lost_rows(struct model *truth, const struct step *inverse)
{
	const struct set_config *set = inverse->from ? inverse->from : inverse->to;
	const struct filter_config *rule = inverse->from ? inverse->from : inverse->to;

	if (inverse->kind == STEP_SET_FILTERS) {
		model_put_filters(truth, rule->port, inverse->from, NULL);
		return;
	}
	model_del_set(truth, set->name);
	for (unsigned i = 0; i < model_group_set(inverse->from); i++)
		if (set[i].address.version != SET_ITSELF)
			model_add_set(truth, set->name, &set[i].address, 1, NULL);
	if (inverse->from)
		model_add_set(truth, set->name, NULL, 0, NULL);
}

/* One that stays as the failed change made it. */
static void
lost_mirror(struct model *truth, const struct step *inverse)
{
	const struct mirror_config *made = inverse->from, *old = inverse->to;
	struct mirror_config *m = model_mirror(truth, made ? made->name : old->name);

	if (m)
		model_del_mirror(truth, m);
	if (made)
		model_add_mirror(truth, made, NULL);
}

static void
lost(void *arg, const struct step *inverse, const struct err *why)
{
	struct change *change = arg;
	struct model *truth = &change->truth;
	char text[STEP_TEXT_MAX];

	step_text(inverse, text, sizeof(text));
	log_error("taking back a failed change, cannot %s: %s", text, why->text);
	if (inverse->kind == STEP_SET_FILTERS || inverse->kind == STEP_SET_SET) {
		lost_rows(truth, inverse);
	} else if (inverse->kind == STEP_SET_MIRROR) {
		lost_mirror(truth, inverse);
	} else if (step_noun(inverse) == &noun_port) {
		lost_port(truth, inverse);
	} else if (step_noun(inverse) == &noun_bridge) {
		lost_bridge(truth, inverse);
	} else if (inverse->to) {
		const struct fdb_config *old = inverse->to;
		struct fdb_config *f = model_fdb(truth, old->bridge, &old->mac, old->vlan);

		/* Its port may have taken it along. */
		if (f)
			model_del_fdb(truth, f);
	}
}

static const struct apply_ops ops = {perform, lost};

/* Becomes `next`, or what is true after a failure.  next is taken over on success only. */
static int
carry_out(struct state *state, const struct plan *plan, struct model *next, struct err *err)
{
	struct change change = {.state = state};
	int rc;

	if (model_copy(&change.truth, &state->running) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	rc = apply_plan(plan, &ops, &change, err);
	model_free(&state->running);
	if (rc < 0) {
		state->running = change.truth;
		return rc;
	}
	model_free(&change.truth);
	state->running = *next;
	memset(next, 0, sizeof(*next));
	return 0;
}

static int
list_changes(const struct plan *plan, json_t *changes)
{
	char text[STEP_TEXT_MAX];

	for (unsigned i = 0; changes && i < plan->count; i++) {
		step_text(&plan->steps[i], text, sizeof(text));
		if (json_array_append_new(changes, json_string(text)) < 0)
			return -ENOMEM;
	}
	return 0;
}

int
state_change(struct state *state, const struct model *wanted, bool dry_run, json_t *changes,
	struct err *err)
{
	struct model next;
	struct plan plan;
	int rc = model_check(wanted, NULL, err);

	if (rc < 0)
		return rc;
	if (model_copy(&next, wanted) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (plan_make(&plan, &state->running, &next) < 0) {
		model_free(&next);
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = list_changes(&plan, changes);
	if (rc < 0)
		err_set(err, rc, "out of memory");
	else if (!dry_run)
		rc = carry_out(state, &plan, &next, err);
	plan_free(&plan);
	model_free(&next);
	/* A change that failed may have cost something, too. */
	if (!dry_run && state->saver)
		saver_save_config(state->saver, &state->running);
	return rc;
}

int
state_apply(struct state *state, struct model *wanted, bool dry_run, json_t *changes, json_t *kept,
	struct err *err)
{
	int rc = model_keep_owned(wanted, &state->running, err);

	for (unsigned i = 0; i < state->running.port_count && rc == 0; i++) {
		const struct port_config *p = &state->running.ports[i];

		if (p->owner[0] && kept)
			json_array_append_new(
				kept, json_sprintf("port %s of %s", p->name, p->owner));
		else if (p->owner[0])
			log_info("port %s stays as it is: it belongs to %s", p->name, p->owner);
	}
	return rc ? rc : state_change(state, wanted, dry_run, changes, err);
}

int
state_load(struct state *state, const char *path, struct err *err)
{
	struct config_file file;
	int rc = config_load(&file, path, err);

	if (rc < 0)
		return rc;
	rc = state_apply(state, &file.model, false, NULL, NULL, err);
	if (rc < 0)
		err_prefix(err, "%s", path);
	config_free(&file);
	return rc;
}

/* Puts an object of `wanted` into `next`, with all that belongs to it. */
typedef int (*put_object)(
	struct model *next, const struct model *wanted, const void *object, struct err *err);

static int
put_bridge(struct model *next, const struct model *wanted, const void *object, struct err *err)
{
	(void)wanted;
	return model_add_bridge(next, object, err);
}

static int
put_mirror(struct model *next, const struct model *wanted, const void *object, struct err *err)
{
	(void)wanted;
	return model_add_mirror(next, object, err);
}

/* A port comes with its rules or not at all. */
static int
put_port(struct model *next, const struct model *wanted, const void *object, struct err *err)
{
	const struct port_config *port = object;
	int rc = model_add_port(next, port, err);

	if (!rc)
		rc = model_put_filters(
			next, port->name, model_first_filter(wanted, port->name), err);
	return rc;
}

static int
put_fdb(struct model *next, const struct model *wanted, const void *object, struct err *err)
{
	(void)wanted;
	return model_add_fdb(next, object, err);
}

static int
put_set(struct model *next, const struct model *wanted, const void *object, struct err *err)
{
	const struct set_config *set = object;
	unsigned count = model_group_set(set);
	int rc = model_add_set(next, set->name, NULL, 0, err);

	(void)wanted;
	for (unsigned i = 0; i < count && !rc; i++)
		if (set[i].address.version != SET_ITSELF)
			rc = model_add_set(next, set->name, &set[i].address, 1, err);
	return rc;
}

/* A copy of what runs with one object more becomes real. */
static int
add_one(struct state *state, const struct model *wanted, put_object put, const void *object,
	struct err *err)
{
	struct model next;
	int rc = model_copy(&next, &state->running);

	if (rc)
		return err_set(err, rc, "out of memory");
	rc = put(&next, wanted, object, err);
	if (!rc)
		rc = state_change(state, &next, false, NULL, err);
	model_free(&next);
	return rc;
}

static void
add_each_set(struct state *state, const struct model *wanted)
{
	struct err err = {0};
	unsigned rows;

	for (unsigned i = 0; i < wanted->set_count; i += rows) {
		const struct set_config *set = &wanted->sets[i];

		rows = model_group_set(set);
		if (!model_first_set(&state->running, set->name) &&
			add_one(state, wanted, put_set, set, &err))
			log_error("set %s is lost: %s", set->name, err.text);
	}
}

void
state_add_each(struct state *state, const struct model *wanted)
{
	const struct model *running = &state->running;
	struct err err = {0};

	add_each_set(state, wanted);
	for (unsigned i = 0; i < wanted->bridge_count; i++) {
		const struct bridge_config *b = &wanted->bridges[i];

		if (!model_bridge(running, b->name) && add_one(state, wanted, put_bridge, b, &err))
			log_error("bridge %s is lost: %s", b->name, err.text);
	}
	/* In front of the ports: one of a mirror's is no ordinary port for a moment. */
	for (unsigned i = 0; i < wanted->mirror_count; i++) {
		const struct mirror_config *m = &wanted->mirrors[i];

		if (!model_mirror(running, m->name) && add_one(state, wanted, put_mirror, m, &err))
			log_error("mirror %s is lost: %s", m->name, err.text);
	}
	for (unsigned i = 0; i < wanted->port_count; i++) {
		const struct port_config *p = &wanted->ports[i];

		if (!model_port(running, p->name) && add_one(state, wanted, put_port, p, &err))
			log_error("port %s is lost: %s", p->name, err.text);
	}
	for (unsigned i = 0; i < wanted->fdb_count; i++) {
		const struct fdb_config *f = &wanted->fdb[i];

		if (!model_fdb(running, f->bridge, &f->mac, f->vlan) &&
			add_one(state, wanted, put_fdb, f, &err))
			log_error("a static address of bridge %s is lost: %s", f->bridge, err.text);
	}
}

int
state_restore(struct state *state, const char *path, struct err *err)
{
	struct config_file file;
	struct err why = {0};
	int rc = config_load(&file, path, err);

	if (rc < 0)
		return rc;
	if (state_change(state, &file.model, false, NULL, &why) < 0) {
		log_error("%s: %s: bringing back what can be", path, why.text);
		state_add_each(state, &file.model);
	}
	config_free(&file);
	return 0;
}

void
state_clear(struct state *state)
{
	live_destroy(state->live);
	state->live = NULL;
	model_free(&state->running);
}
