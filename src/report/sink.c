#include "report/sink.h"
#include "base/checked.h"
#include <stdarg.h>
#include <string.h>

void sn_sink_init_file(sn_sink *s, FILE *file)
{
    *s = (sn_sink){.file = file};
}

void sn_sink_init_buffer(sn_sink *s, const sn_allocator *allocator)
{
    *s = (sn_sink){.allocator = allocator ? allocator : sn_allocator_default()};
}

void sn_sink_fini(sn_sink *s)
{
    if (!s->file)
        sn_free(s->allocator, s->data);
    s->data = NULL;
    s->size = s->room = 0;
}

static bool sink_make_room(sn_sink *s, size_t more)
{
    size_t need;
    if (sn_add_size(s->size, more, &need) && sn_add_size(need, 1, &need) &&
        sn_grow(s->allocator, &s->data, &s->room, need, 1))
        return true;
    s->status = SETSUNA_ENOMEM;
    return false;
}

void sn_sink_write(sn_sink *s, const void *data, size_t size)
{
    if (s->status != SETSUNA_OK || size == 0)
        return;
    if (s->file) {
        if (fwrite(data, 1, size, s->file) != size)
            s->status = SETSUNA_EIO;
    } else if (sink_make_room(s, size)) {
        memcpy(s->data + s->size, data, size);
        s->size += size;
        s->data[s->size] = '\0';
    }
}

void sn_sink_puts(sn_sink *s, const char *text)
{
    sn_sink_write(s, text, strlen(text));
}

void sn_sink_repeat(sn_sink *s, const char *text, size_t times)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < times; i++)
        sn_sink_write(s, text, len);
}

void sn_sink_printf(sn_sink *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        s->status = s->status ? s->status : SETSUNA_EIO;
    } else if ((size_t)n < sizeof text) {
        sn_sink_write(s, text, (size_t)n);
    } else if (s->status == SETSUNA_OK) {
        va_start(ap, fmt);
        if (s->file) {
            if (vfprintf(s->file, fmt, ap) < 0)
                s->status = SETSUNA_EIO;
        } else if (sink_make_room(s, (size_t)n)) {
            vsnprintf(s->data + s->size, (size_t)n + 1, fmt, ap);
            s->size += (size_t)n;
        }
        va_end(ap);
    }
}

setsuna_status sn_sink_flush(sn_sink *s)
{
    if (s->file && fflush(s->file) != 0 && s->status == SETSUNA_OK)
        s->status = SETSUNA_EIO;
    return s->status;
}
