#include "report/stream_report.h"
#include "report/human.h"
#include <math.h>

double sn_stream_real_time_factor(const sn_book_summary *frames, double frame_s)
{
    return frames->n && frame_s > 0 ? frames->wall.mean / (frame_s * 1e9) : 0;
}

static const char *stream_mean(char *buf, const sn_summary *s, bool ascii)
{
    return sn_human_duration(buf, (uint64_t)llround(s->mean), ascii);
}

void sn_stream_write_frames(const sn_book_summary *frames, double frame_s, sn_sink *sink, bool ascii)
{
    char n[SN_HUMAN_MAX], lasts[SN_HUMAN_MAX], mean[SN_HUMAN_MAX], times[SN_HUMAN_MAX];
    if (frames->n == 0) {
        sn_sink_puts(sink, "no frames");
        return;
    }
    double factor = sn_stream_real_time_factor(frames, frame_s);
    sn_sink_printf(
        sink, "%s frame%s of %s in %s each: real-time factor %.3g (%s times real time)", sn_human_count(n, frames->n),
        frames->n == 1 ? "" : "s", sn_human_duration(lasts, (uint64_t)llround(frame_s * 1e9), ascii),
        stream_mean(mean, &frames->wall, ascii), factor, sn_human_number(times, factor > 0 ? 1 / factor : 0));
}

void sn_stream_write_openings(const sn_book_summary *openings, sn_sink *sink, bool ascii)
{
    char text[SN_HUMAN_MAX];
    if (openings->n == 0)
        return;
    sn_sink_printf(sink, "opening a file, before its frames: %s (", stream_mean(text, &openings->wall, ascii));
    const char *comma = "";
    for (int i = 0; i < SN_STAGES; i++)
        if (openings->stage[i].ns.n > 0) {
            sn_sink_printf(sink, "%s%s %s", comma, sn_stage_name((sn_stage)i),
                           stream_mean(text, &openings->stage[i].ns, ascii));
            comma = ", ";
        }
    sn_sink_printf(sink, "%sunexplained %s)", comma, stream_mean(text, &openings->unexplained.ns, ascii));
    if (openings->n > 1)
        sn_sink_printf(sink, ", mean of %s", sn_human_count(text, openings->n));
    sn_sink_puts(sink, "\n");
}
