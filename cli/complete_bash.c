/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/complete.h"

/*
 * The words are taken from the line itself, because bash splits them at '=' and ':' too; what is
 * offered is cut in front where bash has split.
 */
static const char script[] =
	"# bash completion for patchbay; written by `patchbay completion bash`\n"
	"_patchbay()\n"
	"{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} words current lead= part word\n"
	"\n"
	"\tread -ra words <<<\"$line\"\n"
	"\t[[ $line == *[[:space:]] ]] && words+=(\"\")\n"
	"\t((${#words[@]} > 1)) || return\n"
	"\tcurrent=${words[-1]}\n"
	"\tmapfile -t COMPREPLY < <(\"$1\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
	"\tif [[ ${COMPREPLY[0]} == :files ]]; then\n"
	"\t\tpart=$current\n"
	"\t\t[[ $part =~ ^-*[a-z0-9_-]+= ]] && part=${part#*=}\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$part\")\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tcurrent=$part\n"
	"\tfi\n"
	"\tfor word in = :; do\n"
	"\t\t[[ $COMP_WORDBREAKS == *$word* && $current == *$word* ]] || continue\n"
	"\t\tpart=${current%\"${current##*$word}\"}\n"
	"\t\t((${#part} > ${#lead})) && lead=$part\n"
	"\tdone\n"
	"\tCOMPREPLY=(\"${COMPREPLY[@]#\"$lead\"}\")\n"
	"\tfor word in \"${COMPREPLY[@]}\"; do\n"
	"\t\t[[ $word == *= ]] && compopt -o nospace 2>/dev/null\n"
	"\tdone\n"
	"\treturn 0\n"
	"}\n"
	"complete -F _patchbay patchbay\n";

void
complete_print_bash(FILE *file)
{
	fputs(script, file);
}
