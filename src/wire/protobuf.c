#include "wire/protobuf.h"
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fixed-width numbers are read with memcpy");

static bool pb_fail(sn_pb *pb)
{
    pb->malformed = true;
    pb->at = pb->end;
    return false;
}

/* Seven bits a byte, least significant first; the tenth byte may only hold bit 63. */
static bool pb_varint(sn_pb *pb, uint64_t *out)
{
    uint64_t v = 0;
    if (pb->at != pb->end && *pb->at < 0x80) { /* nearly all */
        *out = *pb->at++;
        return true;
    }
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (pb->at == pb->end)
            return pb_fail(pb);
        uint8_t b = *pb->at++;
        if (shift == 63 && b > 1)
            return pb_fail(pb);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = v;
            return true;
        }
    }
    return pb_fail(pb);
}

static bool pb_fixed(sn_pb *pb, size_t size, uint64_t *out)
{
    if ((size_t)(pb->end - pb->at) < size)
        return pb_fail(pb);
    uint64_t v = 0;
    memcpy(&v, pb->at, size);
    pb->at += size;
    *out = v;
    return true;
}

bool sn_pb_next(sn_pb *pb, sn_pb_field *f)
{
    uint64_t tag, size;
    if (pb->at == pb->end || !pb_varint(pb, &tag))
        return false;
    if (tag > UINT32_MAX || tag >> 3 == 0)
        return pb_fail(pb);
    *f = (sn_pb_field){.number = (uint32_t)(tag >> 3), .wire = (sn_pb_wire)(tag & 7), .bytes = {pb->at, 0}};
    bool ok;
    switch (tag & 7) {
    case SN_PB_VARINT: ok = pb_varint(pb, &f->value); break;
    case SN_PB_FIXED64: ok = pb_fixed(pb, 8, &f->value); break;
    case SN_PB_FIXED32: ok = pb_fixed(pb, 4, &f->value); break;
    case SN_PB_BYTES:
        if (!pb_varint(pb, &size))
            return false;
        if (size > (uint64_t)(pb->end - pb->at))
            return pb_fail(pb);
        f->bytes.data = pb->at;
        pb->at += size;
        ok = true;
        break;
    default: ok = pb_fail(pb);
    }
    if (ok)
        f->bytes.size = (size_t)(pb->at - f->bytes.data);
    return ok;
}

bool sn_pb_next_varint(sn_pb *pb, uint64_t *out)
{
    return pb->at != pb->end && pb_varint(pb, out);
}

bool sn_pb_next_fixed32(sn_pb *pb, uint32_t *out)
{
    uint64_t v;
    if (pb->at == pb->end || !pb_fixed(pb, 4, &v))
        return false;
    *out = (uint32_t)v;
    return true;
}

bool sn_pb_next_fixed64(sn_pb *pb, uint64_t *out)
{
    return pb->at != pb->end && pb_fixed(pb, 8, out);
}

bool sn_pb_count(const sn_pb_field *f, sn_pb_wire elem, size_t *out)
{
    if (f->wire == elem) {
        *out = 1;
        return true;
    }
    if (f->wire != SN_PB_BYTES)
        return false;
    if (elem != SN_PB_VARINT) {
        size_t size = elem == SN_PB_FIXED32 ? 4 : 8;
        if (f->bytes.size % size)
            return false;
        *out = f->bytes.size / size;
        return true;
    }
    size_t n = 0;
    uint64_t v;
    sn_pb pb = sn_pb_open(f->bytes);
    while (sn_pb_next_varint(&pb, &v))
        n++;
    if (pb.malformed)
        return false;
    *out = n;
    return true;
}

bool sn_pb_list_next(sn_pb_list *l, uint64_t *out)
{
    uint32_t v32;
    switch (l->elem) {
    case SN_PB_FIXED32:
        if (!sn_pb_next_fixed32(&l->pb, &v32))
            return false;
        *out = v32;
        return true;
    case SN_PB_FIXED64: return sn_pb_next_fixed64(&l->pb, out);
    default: return sn_pb_next_varint(&l->pb, out);
    }
}
