/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * schema: the one declaration of what users can say and see.
 *
 * Nouns (bridge, port, fdb, ...) have keys with a type, a range, a default and help; verbs take
 * positional keys and key=value pairs and yield rows with columns.  The command line, its help and
 * completion, the JSON-RPC methods ("port.add"), the configuration file and their documentation are
 * all read from these tables: adding a command is one row here and one handler in control/.
 *
 * Used by the daemon and by the command-line client; knows neither.
 */
#ifndef API_SCHEMA_H
#define API_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "api/config.h"
#include "lib/err.h"

/* ---- keys ---- */

enum value_type {
	VALUE_NAME,   /* 1..31 of [A-Za-z0-9._-], not starting with '-' or '.' : char[size] */
	VALUE_STRING, /* 1..size-1 bytes of printable text: char[size] */
	VALUE_IFNAME, /* a kernel interface: 1..15 bytes, no '/', ':' or space: char[size] */
	VALUE_PATH,   /* absolute path: char[size]; a relative one given on the command line is
			 completed by the client */
	VALUE_U32,    /* min..max: uint32_t */
	VALUE_OCTAL,  /* min..max, written in octal, in JSON as a string: uint32_t */
	VALUE_INT,    /* min..max: int, default given by `def` */
	VALUE_BOOL,   /* yes/no, true/false, on/off: bool */
	VALUE_ENUM,   /* one of choices: int, the index in the list */
	VALUE_MAC,    /* aa:bb:cc:dd:ee:ff, neither zero nor a group address: struct mac */
	VALUE_VLANS,  /* 1,5,100-200: struct vlan_set; JSON: string, number or list of numbers */
	VALUE_SIZE,   /* bytes, written 512M or 4G (KiB, MiB, GiB, TiB), min..max: uint64_t */
	VALUE_LIST, /* objects of the noun `item`: no field, read with list_canonical().  JSON: a list
			 of objects; the command line takes "key=value,key=value" again and again */
	VALUE_SCALED, /* min..max, with k, M, G or T behind it: uint64_t; JSON: string or number */
	VALUE_MACS,   /* addresses as above with commas: struct mac_list; JSON: string or list */
	VALUE_IPS,    /* 10.0.0.5,2001:db8::/64: struct ip_list; JSON: string or list of strings */
	VALUE_NAMES, /* vm1,vm2: names as above: struct name_list; JSON: string or list of strings */
	VALUE_TEXT,  /* parameters only: any text; the command line takes the name of the file that
			 holds it, or "-" */
};

#define KEY_REQUIRED 0x01 /* must be given to `add` */
#define KEY_SET      0x02 /* may be changed by `set`; others need del and add */
#define KEY_IDENTITY 0x04 /* part of what names the object */

struct noun;

struct key {
	const char *name;
	enum value_type type;
	unsigned flags;
	size_t offset, size;     /* of the field */
	int64_t min, max;        /* numbers */
	const char *choices;     /* VALUE_ENUM: "trunk access ..." */
	const char *def;         /* default as text, NULL = unset */
	const char *unit;        /* "s", NULL */
	const char *types;       /* port types that take it, space separated; NULL = all */
	const char *help;        /* one line, lower case, no full stop */
	const struct noun *item; /* VALUE_LIST */
};

struct noun {
	const char *name; /* "port" */
	const char *help;
	const struct key *keys;
	unsigned key_count;
	size_t size; /* of the structure that the keys fill */
};

extern const struct noun noun_bridge, noun_port, noun_fdb, noun_filter, noun_mirror;
extern const struct noun noun_vm, noun_net, noun_disk;
extern const struct noun *const nouns[]; /* all of these */
extern const unsigned noun_count;

const struct key *noun_key(const struct noun *noun, const char *name); /* NULL if unknown */

/* The port types: "vhost-user tap afpacket pcap null", and one line of help each. */
extern const char *const port_type_names[];
extern const char *const port_type_helps[];
extern const unsigned port_type_count;
/* Does a port of this type take the key?  True for PORT_TYPE_UNSET. */
bool key_applies(const struct key *key, int port_type);

/* Word i of a list separated by spaces ("trunk access"); false when there is none. */
bool word_at(const char *list, unsigned i, char *buffer, size_t size);
/* Its index, -1 when it is not there. */
int word_index(const char *list, const char *word);

/* Fills obj with every key's default. */
void schema_defaults(const struct noun *noun, void *obj);

/*
 * Stores a JSON value (or the text a user typed: a JSON string is accepted for every type).  obj is
 * unchanged on error; the text of err names key, value, what is allowed.  JSON null = the default.
 */
int schema_set(const struct key *key, void *obj, const json_t *value, struct err *err);
/* The key's value as JSON (new reference); NULL when it is unset or equal to its default and
 * !with_defaults. */
json_t *schema_get(const struct key *key, const void *obj, bool with_defaults);

/* The canonical form of a value (new reference), as schema_get() would give it; NULL on error. */
json_t *key_canonical(const struct key *key, const json_t *value, struct err *err);

/*
 * Stores all members of a JSON object.  Unknown members are refused with the nearest known name.
 * Keys a port type does not take are refused.  With `set`, only keys with KEY_SET are taken, and
 * identity keys when they say what obj says already (so that all params of "port.set" can be
 * passed with a copy of the port's configuration).  obj is unchanged on error.
 */
int schema_load(
	const struct noun *noun, void *obj, const json_t *members, bool set, struct err *err);
/* The object as JSON, keys in order of declaration; identity keys only with `identity`.  NULL when
 * memory is short. */
json_t *schema_store(const struct noun *noun, const void *obj, bool with_defaults, bool identity);
/* Are all required keys given, and no other than those that this port type takes?  -EINVAL names
 * the key. */
int schema_complete(const struct noun *noun, const void *obj, struct err *err);

/* Is it given, or has it a default? */
bool key_is_set(const struct key *key, const void *obj);

/* The errors of a key that the noun has not (suggesting one that ports of this type have) and of
 * one that cannot be changed; both return -EINVAL. */
int key_unknown(const struct noun *noun, const char *name, int port_type, struct err *err);
int key_refuse_set(const struct noun *noun, const struct key *key, struct err *err);

/* "0..86400 s", "trunk, access or ...": what a key may hold, for help and errors; returns buffer. */
char *key_describe(const struct key *key, char *buffer, size_t size);

/* ---- lists ---- */

/*
 * The canonical form of a list (new reference): a JSON array of objects with the keys of key->item,
 * each checked and complete.  A single object is taken for a list of one.  NULL on error.
 */
json_t *list_canonical(const struct key *key, const json_t *value, struct err *err);

/*
 * One element as it is typed: "key=value,key=value".  A word without "=" in front is the value of
 * the noun's first key; elsewhere it is a yes to a key of VALUE_BOOL, or continues the VLANs of the
 * word before it.  The values are not checked.  NULL on error.
 */
json_t *list_item_read(const struct noun *item, const char *text, struct err *err);

/* ---- verbs ---- */

/* A column of a verb's table: member `path` ("counters.rx_packets") of each row. */
struct column {
	const char *title;
	const char *path;
	enum column_kind {
		COLUMN_TEXT,
		COLUMN_NUMBER,       /* as it is */
		COLUMN_COUNTER,      /* only grows: --watch shows it per second */
		COLUMN_BYTES,        /* a counter of bytes: KiB, MiB, ... */
		COLUMN_PERCENT,      /* a number with one decimal */
		COLUMN_NONZERO_LIST, /* an object of counters: those that are not zero */
		COLUMN_HIDDEN,       /* in JSON and in the view of one object only */
	} kind;
	const char *help;
};

/*
 * An option or argument that is not a key of the noun: `--dry-run`, `FILE`, `queue=0`.  Those of
 * VALUE_BOOL are typed `--name`, the others `name=value`, and those with a letter `-c value`, too.
 */
struct param {
	const char *name;
	enum value_type type;
	int64_t min, max;
	const char *choices;
	const char *help;
	bool positional, required;
	char letter; /* `-c VALUE` means the same; 0 = none */
};

#define VERB_READ_ONLY 0x01  /* changes nothing: allowed to every peer that may connect */
#define VERB_LOCAL     0x02  /* done by the client alone (completion, help) */
#define VERB_WATCH     0x04  /* can be repeated with --watch */
#define VERB_TEXT      0x08  /* the result has a member "text" that is printed as it is */
#define VERB_IDENTITY  0x10  /* takes the object's identity keys only */
#define VERB_DEFAULT   0x20  /* what a noun alone on the command line means */
#define VERB_CHANGES   0x40  /* the result has a list of sentences "changes" */
#define VERB_DETAIL    0x80  /* names one object: people see all its members, one per line */
#define VERB_HIDDEN    0x100 /* not in help */
#define VERB_JSON      0x200 /* people see JSON too */
#define VERB_FOLLOW    0x400 /* has a parameter `since`, a member `next`: can go on with --follow */

struct verb {
	const char *noun;          /* "port"; also the name of the help topic */
	const char *name;          /* "add" */
	const char *help;          /* one line */
	const struct noun *object; /* whose keys it takes as key=value; NULL = none */
	const char *positional;    /* keys of the object given by position: "name type" */
	bool set;                  /* takes KEY_SET keys only */
	const struct param
		*params; /* further parameters, terminated by name == NULL; may be NULL */
	const struct column
		*columns; /* of the result's rows, terminated by title == NULL; may be NULL */
	unsigned flags;
	const char *example; /* one line, without "patchbay " */
};

extern const struct verb verbs[];
extern const unsigned verb_count;

const struct verb *verb_find(const char *noun, const char *name); /* NULL if unknown */
/* "port.add" of a verb; buffer of 64. */
const char *verb_method(const struct verb *verb, char *buffer, size_t size);
const struct verb *verb_by_method(const char *method);
/* The verb that a noun alone stands for: its only one, or the one with VERB_DEFAULT; or NULL. */
const struct verb *verb_default(const char *noun);

/* Does the verb take the key of its object; is it given by position? */
bool verb_takes(const struct verb *verb, const struct key *key);
bool verb_is_positional(const struct verb *verb, const char *key);

/* "port add NAME TYPE [KEY=VALUE ...]". */
void verb_put_usage(const struct verb *verb, FILE *file);

/* A parameter seen as a key, to check and describe its value with the same functions. */
struct key param_key(const struct param *param);

/*
 * Checks the parameters of a verb: only such that it takes, each value allowed, none missing that
 * it needs.  *canonical (a new reference) holds them in their canonical form: numbers as JSON
 * integers, sets and addresses as canonical text; null (= the default) stays null.  Client and
 * daemon both use it: the client before it sends, the daemon before a handler sees them.
 * params may be NULL.  -EINVAL, -ERANGE, -ENOMEM.
 */
int verb_check(const struct verb *verb, const json_t *params, json_t **canonical, struct err *err);

/* The nearest of a list of names to a misspelt one, for "did you mean"; NULL if none is near. */
const char *nearest_name(const char *word, const char *const *names, unsigned count);

/* Writes docs/reference.md: all nouns, keys, verbs and columns. */
void schema_write_reference(FILE *file);

/* The declaration as JSON, for clients in other languages: the result of "daemon.schema". */
json_t *schema_describe(void);

/* ---- protocol ---- */

#define API_VERSION     1
#define API_LINE_MAX    (4u << 20) /* bytes of one request */
#define API_SYSTEM_DIR  "/run/patchbay"
#define API_SOCKET_NAME "control.sock"

/* JSON-RPC 2.0 error codes; ours carry the errno's name in data.errno ("EEXIST"). */
#define API_PARSE_ERROR     (-32700)
#define API_INVALID_REQUEST (-32600)
#define API_NO_METHOD       (-32601)
#define API_INVALID_PARAMS  (-32602)
#define API_FAILED          (-32000)
#define API_DENIED          (-32001)

/* Directory of sockets and locks: $PATCHBAY_RUNTIME_DIR, or $XDG_RUNTIME_DIR/patchbay for a user other
 * than root that has one, else /run/patchbay.  Result in buffer.  -ENAMETOOLONG. */
int api_runtime_dir(char *buffer, size_t size);

#endif
