/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "datapath/expression.h"

#define SNAPLEN        262144
#define WORD_MAX       64
#define QUOTED         "%.160s" /* as much of the text as leaves room for the rest */
/* No lexer takes this number: libpcap complains of it as soon as it has understood what is before. */
#define PROBE          " 99999999999"
#define PROBE_SAID     "99999999999"
/* Loads from here on ask the kernel for what is not in a frame (SKF_LL_OFF of linux/filter.h). */
#define KERNEL_OFFSETS 0xffe00000u

/* The words of pcap-filter(7) that are no names. */
static const char *const keywords[] = {"aarp", "action", "addr1", "addr2", "addr3", "addr4",
	"address1", "address2", "address3", "address4", "ah", "and", "arp", "atalk", "bcc",
	"broadcast", "byte", "carp", "clnp", "connectmsg", "csnp", "decnet", "dir", "direction",
	"dpc", "dst", "es-is", "esis", "esp", "ether", "fddi", "fisu", "gateway", "geneve",
	"greater", "hdpc", "hfisu", "hlssu", "hmsu", "hopc", "host", "hsio", "hsls", "icmp",
	"icmp6", "ifindex", "ifname", "igmp", "igrp", "iih", "ilmic", "inbound", "ip", "ip6", "ipx",
	"is-is", "isis", "iso", "l1", "l2", "lane", "lat", "len", "length", "less", "link", "llc",
	"lsp", "lssu", "lsu", "mask", "metac", "metaconnect", "mopdl", "moprc", "mpls", "msu",
	"multicast", "net", "netbeui", "not", "oam", "oamf4", "oamf4ec", "oamf4sc", "on", "opc",
	"or", "outbound", "pim", "port", "portrange", "ppp", "pppoed", "pppoes", "proto",
	"protochain", "psnp", "ra", "radio", "rarp", "reason", "rnr", "rset", "rulenum", "ruleset",
	"sc", "sca", "sctp", "sio", "slip", "sls", "snp", "src", "srnr", "stp", "subrulenum",
	"subtype", "ta", "tcp", "tcpflags", "tr", "type", "udp", "vci", "vlan", "vpi", "vrrp",
	"wlan"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
is_word_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("._-:\\", c));
}

static int
compare_word(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

static bool
is_keyword(const char *word)
{
	return bsearch(word, keywords, COUNT(keywords), sizeof(keywords[0]), compare_word) ||
	       strncmp(word, "icmp-", 5) == 0 || strncmp(word, "icmp6-", 6) == 0 ||
	       strncmp(word, "tcp-", 4) == 0 || strcmp(word, "icmptype") == 0 ||
	       strcmp(word, "icmpcode") == 0 || strcmp(word, "icmp6type") == 0 ||
	       strcmp(word, "icmp6code") == 0;
}

static bool
consists_of(const char *word, const char *set)
{
	return word[0] && word[strspn(word, set)] == '\0';
}

/* Groups of hexadecimal digits with one kind of separator between them. */
static bool
is_groups(const char *word, char separator, unsigned groups, size_t shortest, size_t longest)
{
	unsigned count = 0;

	for (;;) {
		size_t digits = strspn(word, "0123456789abcdefABCDEF");

		if (digits < shortest || digits > longest)
			return false;
		count++;
		word += digits;
		if (!*word)
			return count == groups;
		if (*word++ != separator)
			return false;
	}
}

static bool
is_number(const char *word)
{
	if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X'))
		return consists_of(word + 2, "0123456789abcdefABCDEF");
	return consists_of(word, "0123456789");
}

/* An IPv4 address or the beginning of one, an Ethernet address. */
static bool
is_address(const char *word)
{
	unsigned dots = 0;

	for (const char *p = word; *p; p++)
		dots += *p == '.';
	if (consists_of(word, "0123456789.") && dots < 4)
		return true;
	return is_groups(word, '-', 6, 1, 2) || is_groups(word, '.', 6, 1, 2) ||
	       is_groups(word, '.', 3, 2, 4) || is_groups(word, ':', 1, 12, 12);
}

/* Numbers, addresses and keywords with colons between them: IPv6 addresses, [offset:size]. */
static bool
has_plain_parts(const char *word)
{
	char part[WORD_MAX];

	if (!strchr(word, ':'))
		return false;
	while (*word) {
		size_t n = strcspn(word, ":");

		memcpy(part, word, n);
		part[n] = '\0';
		if (n && !consists_of(part, "0123456789abcdefABCDEF") && !is_number(part) &&
			!is_address(part) && !is_keyword(part))
			return false;
		word += n + (word[n] == ':');
	}
	return true;
}

/*
 * Would libpcap ask a name server for this word?  `*local`: the words before say that a name is one
 * of a port or a protocol, which is looked up in files.
 */
static bool
is_host_name(const char *word, bool *local)
{
	if (is_keyword(word)) {
		if (strcmp(word, "and") != 0 && strcmp(word, "or") != 0 && strcmp(word, "not") != 0)
			*local = strncmp(word, "port", 4) == 0 || strncmp(word, "proto", 5) == 0;
		return false;
	}
	return !*local && !is_number(word) && !is_address(word) && !has_plain_parts(word);
}

static int
refuse_names(const char *text, struct err *err)
{
	const char *p = text;
	bool local = false;
	char word[WORD_MAX];

	while (*p) {
		size_t n = 0;

		/* No name begins with a sign, a number may. */
		while (*p != '-' && is_word_char(p[n]))
			n++;
		if (!n) {
			p++;
			continue;
		}
		if (n >= sizeof(word))
			return err_set(err, -EINVAL,
				"\"" QUOTED "\": the word at position %zu is too long", text,
				(size_t)(p - text) + 1);
		memcpy(word, p, n);
		word[n] = '\0';
		if (is_host_name(word, &local))
			return err_set(err, -EINVAL,
				"\"" QUOTED
				"\": position %zu: \"%s\" is no word of pcap-filter(7), and "
				"names of hosts are not looked up: write the address",
				text, (size_t)(p - text) + 1, word);
		p += n;
	}
	return 0;
}

/* Does libpcap understand the first n characters, if anything can follow them? */
static bool
is_understood(pcap_t *pcap, const char *text, size_t n)
{
	struct bpf_program program;
	char *probe = NULL;
	bool understood;

	if (asprintf(&probe, "%.*s%s", (int)n, text, PROBE) < 0)
		return true;
	understood = pcap_compile(pcap, &program, probe, 0, PCAP_NETMASK_UNKNOWN) == 0;
	if (understood)
		pcap_freecode(&program);
	else
		understood = strstr(pcap_geterr(pcap), PROBE_SAID) != NULL;
	free(probe);
	return understood;
}

/* The end of the word, or of the sign, that begins at or behind `at`. */
static size_t
word_end(const char *text, size_t at)
{
	while (isspace((unsigned char)text[at]))
		at++;
	if (text[at] && strchr("=<>!&|", text[at]))
		return at + strspn(text + at, "=<>!&|");
	if (!is_word_char(text[at]))
		return text[at] ? at + 1 : at;
	while (is_word_char(text[at]))
		at++;
	return at;
}

/* libpcap does not say where it failed: the shortest beginning tells that it fails, too. */
static int
explain(pcap_t *pcap, const char *text, struct err *err)
{
	const char *said = "can't parse filter expression: ";
	char message[PCAP_ERRBUF_SIZE];
	size_t from = 0, end;

	snprintf(message, sizeof(message), "%s", pcap_geterr(pcap));
	if (strncmp(message, said, strlen(said)) == 0)
		memmove(message, message + strlen(said), strlen(message + strlen(said)) + 1);
	/* Understood, and found to be of no use. */
	if (strstr(message, "rejects all packets"))
		return err_set(err, -EINVAL, "\"" QUOTED "\": %s", text, message);
	while ((end = word_end(text, from)) > from && text[from] && is_understood(pcap, text, end))
		from = end;
	while (isspace((unsigned char)text[from]))
		from++;
	if (!text[from])
		return err_set(err, -EINVAL, "\"" QUOTED "\": %s at the end", text, message);
	return err_set(err, -EINVAL, "\"" QUOTED "\": %s at position %zu (\"%.*s\")", text, message,
		from + 1, (int)(word_end(text, from) - from), text + from);
}

/* What libpcap makes for captures of its own and nobody else can run. */
static int
check_program(const struct bpf_program *program, const char *text, struct err *err)
{
	if (program->bf_len > EXPRESSION_INSNS_MAX)
		return err_set(err, -E2BIG,
			"\"" QUOTED "\": makes %u instructions, %u are the most", text,
			program->bf_len, EXPRESSION_INSNS_MAX);
	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];

		if (BPF_CLASS(insn->code) == BPF_LD && BPF_MODE(insn->code) == BPF_ABS &&
			insn->k >= KERNEL_OFFSETS)
			return err_set(err, -EINVAL,
				"\"" QUOTED
				"\": asks for what stands in no frame (inbound, outbound, ifindex): "
				"rules and captures have a direction of their own",
				text);
		if (insn->code == (BPF_JMP | BPF_JA) && (bpf_int32)insn->k < 0)
			return err_set(err, -EINVAL,
				"\"" QUOTED
				"\": protochain makes a loop, which is not run for each frame",
				text);
	}
	return 0;
}

int
expression_compile(const char *text, struct bpf_program *program, struct err *err)
{
	pcap_t *pcap;
	int rc = refuse_names(text, err);

	if (rc < 0)
		return rc;
	pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	if (!pcap)
		return err_set(err, -ENOMEM, "out of memory");
	if (pcap_compile(pcap, program, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		rc = explain(pcap, text, err);
	} else {
		rc = check_program(program, text, err);
		if (rc < 0)
			pcap_freecode(program);
	}
	pcap_close(pcap);
	return rc;
}

void
expression_free(struct bpf_program *program)
{
	pcap_freecode(program);
}

bool
expression_joins(const char *text)
{
	static const char *const words[] = {"vlan", "mpls", "pppoe", "geneve"};

	for (unsigned i = 0; i < COUNT(words); i++)
		if (strstr(text, words[i]))
			return false;
	return true;
}
