/* SPDX-License-Identifier: Apache-2.0 */
/* A trace as a picture: above, how the evidence grew over the canary's requests; below, the rates
 * of bad requests that it grew from. */
#include <math.h>
#include <stdio.h>
#include "rollout/trace.h"

enum { WIDTH = 860, LEFT = 70, RIGHT = 20, TOP = 50, PANEL = 220, GAP = 60, POINTS = 600 };

struct scale {
    double from, to;        /* values at the low and at the high end of the panel */
    int top;                /* of the panel */
};

static double x_of(const struct trace *t, size_t i)
{
    double most = t->points[t->count - 1].canary;
    double share = most > 0 ? t->points[i].canary / most : (double)i / (double)t->count;
    return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct scale *s, double v)
{
    double share = (fmin(fmax(v, s->from), s->to) - s->from) / (s->to - s->from);
    return s->top + PANEL * (1 - share);
}

static double fail_of(const struct trace_point *p) { return p->fail; }
static double pass_of(const struct trace_point *p) { return p->pass; }
static double stable_of(const struct trace_point *p) { return p->rate[0]; }
static double canary_of(const struct trace_point *p) { return p->rate[1]; }

static void line(const struct trace *t, const struct scale *s,
                 double (*of)(const struct trace_point *p), const char *color, struct buf *to)
{
    size_t step = t->count / POINTS + 1;
    buf_printf(to, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", color);
    for (size_t i = 0; i < t->count; i++) {
        if (i % step && i + 1 != t->count)
            continue;
        double v = of(&t->points[i]);
        if (isfinite(v))
            buf_printf(to, "%.1f,%.1f ", x_of(t, i), y_of(s, v));
    }
    buf_add_str(to, "\"/>\n");
}

static void text(struct buf *to, double x, double y, const char *anchor, const char *color,
                 const char *what)
{
    buf_printf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">", x, y, anchor,
               color);
    for (const char *p = what; *p; p++) {
        if (*p == '<' || *p == '&' || *p == '>')
            buf_printf(to, "&#%d;", *p);
        else
            buf_add_char(to, *p);
    }
    buf_add_str(to, "</text>\n");
}

static void level(struct buf *to, const struct scale *s, double v, const char *color,
                  const char *what)
{
    double y = y_of(s, v);
    buf_printf(to, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
               "stroke-dasharray=\"4 4\"/>\n", LEFT, WIDTH - RIGHT, y, y, color);
    text(to, LEFT - 6, y + 4, "end", color, what);
}

static void frame(struct buf *to, const struct scale *s)
{
    buf_printf(to, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" "
               "stroke=\"#999\"/>\n", LEFT, s->top, WIDTH - LEFT - RIGHT, PANEL);
}

static void evidence_panel(const struct trace *t, struct buf *to)
{
    const struct gate_config *c = gate_config(t->gate);
    double fatal = log10(1 / c->alpha), enough = log10(1 / c->beta), high = fatal + 1;
    for (size_t i = 0; i < t->count; i++)
        high = fmax(high, fmin(t->points[i].fail, 12));
    struct scale s = {-3, high, TOP};
    frame(to, &s);
    level(to, &s, fatal, "#c0392b", "fail");
    level(to, &s, enough, "#27ae60", "pass");
    level(to, &s, 0, "#bbb", "0");
    line(t, &s, fail_of, "#c0392b", to);
    line(t, &s, pass_of, "#27ae60", to);
    text(to, LEFT, TOP - 8, "start", "#333",
         "evidence (powers of ten): against the new version (red), for it (green)");
}

static void rate_panel(const struct trace *t, struct buf *to)
{
    double high = 1e-4;
    char label[64];
    for (size_t i = 0; i < t->count; i++)
        high = fmax(high, fmax(isfinite(stable_of(&t->points[i])) ? stable_of(&t->points[i]) : 0,
                               isfinite(canary_of(&t->points[i])) ? canary_of(&t->points[i]) : 0));
    struct scale s = {0, high * 1.1, TOP + PANEL + GAP};
    frame(to, &s);
    snprintf(label, sizeof label, "%.3g %%", high * 100);
    level(to, &s, high, "#bbb", label);
    line(t, &s, stable_of, "#2c3e50", to);
    line(t, &s, canary_of, "#e67e22", to);
    text(to, LEFT, s.top - 8, "start", "#333",
         "share of bad requests so far: stable (dark), new version (orange)");
    snprintf(label, sizeof label, "%.0f requests of the new version",
             t->points[t->count - 1].canary);
    text(to, WIDTH - RIGHT, s.top + PANEL + 18, "end", "#333", label);
}

static void mark(const struct trace *t, long look, const char *what, const char *color,
                 struct buf *to)
{
    if (look < 0)
        return;
    double x = x_of(t, (size_t)look);
    buf_printf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"%s\"/>\n", x, x,
               TOP, TOP + PANEL, color);
    text(to, x + 4, TOP + 14, "start", color, what);
}

void trace_svg(const struct trace *t, const char *title, struct buf *to)
{
    int height = TOP + 2 * PANEL + GAP + 40;
    buf_printf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
               "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
               "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n", WIDTH, height, WIDTH,
               height);
    text(to, LEFT, 22, "start", "#000", title);
    if (t->count) {
        evidence_panel(t, to);
        rate_panel(t, to);
    }
    mark(t, t->advanced, "advance", "#27ae60", to);
    mark(t, t->failed, "fail", "#c0392b", to);
    buf_add_str(to, "</svg>\n");
}
