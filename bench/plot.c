/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/plot.h"

#define PROGRAM "gnuplot"

extern char **environ;

int
plot_check(struct err *err)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path && *path) {
		size_t n = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/" PROGRAM, (int)n, path);
		if (access(file, X_OK) == 0)
			return 0;
		path += n + (path[n] == ':');
	}
	return err_set(err, -ENOENT,
		"plot= needs gnuplot, which is not installed: apt install gnuplot-nox");
}

/* ---- the script ---- */

/* Text in single quotes of gnuplot; what its terminals take for markup is left out. */
static void
put_quoted(FILE *f, const char *text)
{
	fputc('\'', f);
	for (; text && *text; text++) {
		if (*text == '\'')
			fputc('\'', f);
		if ((unsigned char)*text >= 0x20)
			fputc(*text, f);
	}
	fputc('\'', f);
}

static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void
put_title(FILE *f, const json_t *report)
{
	const json_t *m = json_object_get(report, "machine");
	const json_t *o = json_object_get(report, "options");
	char title[1024];

	snprintf(title, sizeof(title), "%s, %s, %s ring of %lld, %s",
		text_of(json_object_get(report, "switch"), "name"), text_of(o, "load"),
		text_of(o, "ring"), (long long)json_integer_value(json_object_get(o, "ring_size")),
		text_of(report, "date"));
	fputs("set multiplot layout PANELS,1 title ", f);
	put_quoted(f, title);
	fputs(" noenhanced\n", f);
	snprintf(title, sizeof(title), "%s, kernel %s, patchbay bench %s", text_of(m, "cpu"),
		text_of(m, "kernel"), text_of(report, "patchbay"));
	fputs("set label 1 ", f);
	put_quoted(f, title);
	fputs(" at screen 0.5,0.02 center noenhanced font ',10'\n", f);
}

static double
number_of(const json_t *object, const char *name, double divisor)
{
	return json_number_value(json_object_get(object, name)) / divisor;
}

/* A data block: size, Mpps, Gbit/s, roofline; then the latency's percentiles. */
static bool
put_data(FILE *f, const json_t *report)
{
	const json_t *result, *size;
	bool latency = false;
	size_t i;

	fputs("$data << END\n", f);
	json_array_foreach (json_object_get(report, "results"), i, result) {
		const json_t *l = json_object_get(result, "latency");

		size = json_object_get(result, "size");
		if (json_is_string(size))
			fprintf(f, "%s", json_string_value(size));
		else
			fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(size));
		fprintf(f, " %g %g %g %g %g %g %g\n", number_of(result, "pps", 1e6),
			number_of(result, "gbps", 1), number_of(result, "roofline_gbps", 1),
			number_of(l, "p50_us", 1), number_of(l, "p99_us", 1),
			number_of(l, "p99_9_us", 1), number_of(l, "max_us", 1));
		latency |= json_is_object(l);
	}
	fputs("END\n", f);
	return latency;
}

static void
put_script(FILE *f, const json_t *report, const char *file)
{
	bool latency = put_data(f, report);

	fprintf(f, "PANELS = %d\n", latency ? 3 : 2);
	fprintf(f, "set terminal svg size 900,%d background 'white'\nset output ",
		latency ? 1000 : 700);
	put_quoted(f, file);
	fputs("\nset bmargin 4\nset grid ytics\nset boxwidth 0.6\nset style fill solid 0.6\n"
	      "set yrange [0:*]\nset xlabel 'bytes of a frame'\n",
		f);
	put_title(f, report);
	fputs("set ylabel 'million frames/s'\n"
	      "plot $data using 0:2:xtic(1) with boxes lc rgb '#4878a8' notitle\n"
	      "unset label 1\nset ylabel 'Gbit/s'\nset key left top\n"
	      "plot $data using 0:3:xtic(1) with boxes lc rgb '#48a868' title 'received', "
	      "$data using 0:($4 > 0 ? $4 : NaN) with points pt 2 lc rgb '#a84848' "
	      "title 'memcpy alone'\n",
		f);
	if (latency)
		fputs("set ylabel 'latency, microseconds'\nset yrange [*:*]\nset logscale y\n"
		      "plot for [c=5:8] $data using 0:c:xtic(1) with linespoints "
		      "title word('p50 p99 p99.9 max', c - 4)\n",
			f);
	fputs("unset multiplot\n", f);
}

/* ---- running it ---- */

static int
run_gnuplot(char *script, struct err *err)
{
	char *argv[] = {(char *)(uintptr_t)PROGRAM, script, NULL};
	int status, rc;
	pid_t pid;

	rc = posix_spawnp(&pid, PROGRAM, NULL, NULL, argv, environ);
	if (rc)
		return err_set(err, -rc, "cannot start " PROGRAM ": %s", strerror(rc));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, -errno, PROGRAM ": %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(err, -EIO, PROGRAM " failed; the results are not lost: see above");
	return 0;
}

int
plot_write(const json_t *report, const char *file, struct err *err)
{
	char script[] = "/tmp/patchbay-plot-XXXXXX";
	int fd = mkstemp(script), rc = 0;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return err_set(err, -errno, "%s: %s", script, strerror(errno));
	put_script(f, report, file);
	if (fclose(f))
		rc = err_set(err, -errno, "%s: %s", script, strerror(errno));
	if (!rc)
		rc = run_gnuplot(script, err);
	unlink(script);
	return rc;
}
