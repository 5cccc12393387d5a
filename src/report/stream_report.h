/* Streams: what frames took beside the time that they last, and what opening their files took. */
#ifndef SN_REPORT_STREAM_REPORT_H
#define SN_REPORT_STREAM_REPORT_H

#include "ledger/book.h"
#include "report/sink.h"
#include <stdbool.h>

/* Mean wall time of the frames / the time that one lasts in the stream: below 1, they are done faster than they come.
 * 0 where there is no frame. */
double sn_stream_real_time_factor(const sn_book_summary *frames, double frame_s);

/* Writes, without a line break: "1,288 frames of 32.00 ms in 14.20 µs each: real-time factor 0.000444 (2,254 times real
 * time)". */
void sn_stream_write_frames(const sn_book_summary *frames, double frame_s, sn_sink *sink, bool ascii);

/* Writes a line on what is done once a file and in no frame's ledger, with means: "opening a file, before its frames:
 * 21.56 ms (acquire 262.3 µs, preprocess 21.29 ms, unexplained 1.200 µs), mean of 91". Nothing for no file. */
void sn_stream_write_openings(const sn_book_summary *openings, sn_sink *sink, bool ascii);

#endif
