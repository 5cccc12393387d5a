/* Protocol buffers, the reading half: a cursor over one message's bytes that yields its fields in order.
 *
 * There is no schema and no tree: the caller looks at the field numbers it knows and ignores the rest, and opens a
 * nested message by making a cursor over the field's bytes. Nothing is allocated, nothing is copied and nothing
 * recurses. Every length is checked against the bytes that are there. Groups (deprecated since 2008) are malformed.
 * Source: "Encoding" in the protocol buffers documentation.
 */
#ifndef SN_WIRE_PROTOBUF_H
#define SN_WIRE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes inside a message; borrowed from the buffer that is being read. */
typedef struct sn_pb_bytes {
    const uint8_t *data;
    size_t size;
} sn_pb_bytes;

typedef enum sn_pb_wire { SN_PB_VARINT = 0, SN_PB_FIXED64 = 1, SN_PB_BYTES = 2, SN_PB_FIXED32 = 5 } sn_pb_wire;

typedef struct sn_pb_field {
    uint32_t number; /* 1 to 2^29 - 1 */
    sn_pb_wire wire;
    uint64_t value;    /* VARINT, FIXED64, FIXED32: the bits, zero-extended; BYTES: 0 */
    sn_pb_bytes bytes; /* BYTES: the contents; otherwise the encoded number itself */
} sn_pb_field;

/* A reader; at <= end. Once malformed is set, it yields nothing more. */
typedef struct sn_pb {
    const uint8_t *at, *end;
    bool malformed;
} sn_pb;

static inline sn_pb sn_pb_open(sn_pb_bytes b)
{
    return (sn_pb){.at = b.data, .end = b.size ? b.data + b.size : b.data};
}

/* The next field of a message into *f. false: the end, or (pb->malformed) bytes that are no protobuf; *f is
 * undefined then. */
bool sn_pb_next(sn_pb *pb, sn_pb_field *f);

/* The next number of a packed list (the cursor is open over the list's bytes). false as above. */
bool sn_pb_next_varint(sn_pb *pb, uint64_t *out);
bool sn_pb_next_fixed32(sn_pb *pb, uint32_t *out);
bool sn_pb_next_fixed64(sn_pb *pb, uint64_t *out);

/* How many elements a field of a repeated number holds, packed (BYTES) or not (one), when its elements are of wire
 * type elem. false: the field is of another wire type, or the list is malformed; *out is untouched then. A list of n
 * elements takes at least n bytes, so a count is never larger than the file. */
bool sn_pb_count(const sn_pb_field *f, sn_pb_wire elem, size_t *out);

/* Calls for each element of such a field: open once, then next until false. The bits are zero-extended. */
typedef struct sn_pb_list {
    sn_pb pb;
    sn_pb_wire elem;
} sn_pb_list;

/* Pre: sn_pb_count accepted f with elem. */
static inline sn_pb_list sn_pb_list_open(const sn_pb_field *f, sn_pb_wire elem)
{
    return (sn_pb_list){.pb = sn_pb_open(f->bytes), .elem = elem};
}

bool sn_pb_list_next(sn_pb_list *l, uint64_t *out);

#endif
