/* Between the files of recognise-quantised: the tensors of bytes of a graph, and who is one.
 *
 * A quant is a tensor of bytes as the integer operators have it, its twin: unsigned, channels last where it has rank 4
 * (kernels/qgemm.h). It stands for an integer value of the graph, whose bytes may be signed and whose images have
 * channels first. Either is made from the other where somebody reads it.
 *
 * A float value of the graph may be known in two ways:
 *   as a quant's bytes read with a scale and a zero point (it is DequantizeLinear of them, or moves of that)
 *   as a function of single bytes: 256 values, computed on the graph from constants, which planning folds
 */
#ifndef SN_PASSES_QUANTISED_H
#define SN_PASSES_QUANTISED_H

#include "passes/pass.h"
#include "passes/rewrite.h"

/* real = (byte - zero) * scale; zero counts from the unsigned byte 0 (signed ones plus 128). */
typedef struct sn_quant_scale {
    float scale;
    int32_t zero;
} sn_quant_scale;

typedef struct sn_quant {
    uint32_t plain;      /* the integer value of the graph, or SN_NONE: there is none */
    uint32_t twin;       /* SN_NONE: not made yet */
    bool is_signed;      /* plain is */
    bool moved;          /* nobody makes plain unless sn_quant_want asks for it */
    bool image;          /* channels last */
    setsuna_shape shape; /* as the graph has it */
    uint32_t source;     /* the quant it is a function of, or SN_NONE */
    uint32_t table;      /* its 256 bytes, as plain has them */
} sn_quant;

/* What is known of a float value. */
typedef struct sn_quant_float {
    uint32_t quant; /* SN_NONE: nothing */
    sn_quant_scale s;
    uint32_t source; /* quant, or SN_NONE: not a function of one */
    uint32_t table;  /* value with its 256 floats */
} sn_quant_float;

typedef struct sn_quant_graph {
    sn_graph *g;
    sn_arena *arena; /* scratch */
    sn_uses uses;    /* of the graph as it was */
    size_t n_value;  /* likewise */
    sn_quant *q;
    size_t n_q, cap_q;
    uint32_t *of_int;        /* per value: its quant or SN_NONE */
    sn_quant_float *of_real; /* per value */
    uint32_t bytes[2];       /* constants: all bytes from 0 as unsigned ones; all from -128 as signed ones */
    uint32_t flip;           /* constant: byte i is i ^ 128 */
    bool *changed;
} sn_quant_graph;

/* ---- quantised_value.c ------------------------------------------------------------------------------------ */

setsuna_status sn_quant_init(sn_quant_graph *t, sn_graph *g, sn_arena *arena, bool *changed);

/* A new quant. SN_NONE: out of memory. */
uint32_t sn_quant_add(sn_quant_graph *t, uint32_t plain, bool is_signed, const setsuna_shape *shape);

/* The quant of an integer value (made if it has none). */
setsuna_status sn_quant_of(sn_quant_graph *t, uint32_t v, uint32_t *out);

/* Its twin; of a function, the table's lookup. */
setsuna_status sn_quant_twin(sn_quant_graph *t, uint32_t q, uint32_t *out);

/* Its bytes, unsigned, in the graph's order of dims. */
setsuna_status sn_quant_in_order(sn_quant_graph *t, uint32_t q, uint32_t *out);

/* Bytes in the graph's order become the quant's twin. */
setsuna_status sn_quant_from_order(sn_quant_graph *t, uint32_t q, uint32_t bytes);

/* Somebody reads the value as the graph has it: it is made if it was moved. */
setsuna_status sn_quant_want(sn_quant_graph *t, uint32_t v);

/* The integer value `out` is what `twin` holds from now on. */
setsuna_status sn_quant_move(sn_quant_graph *t, uint32_t out, uint32_t twin);

/* A number, or the one element of a constant, for all of a tensor. */
bool sn_quant_scalar(const sn_graph *g, uint32_t v, double *out);

/* The scale and zero point at inputs i and i + 1 of a node that reads or makes bytes of a type. false: not constants,
 * not one for all, or not finite and positive. */
bool sn_quant_read_scale(const sn_graph *g, const sn_node *n, uint32_t i, setsuna_dtype type, sn_quant_scale *out);

bool sn_quant_same_scale(sn_quant_scale a, sn_quant_scale b);

/* The byte of a real value. */
int32_t sn_quant_byte(sn_quant_scale s, double v);

/* n is y = DequantizeLinear(integer): records it. n is QuantizeLinear: of a function, *done, and the node is not needed
 * any more. An elementwise node over functions of one quant is one. n must not lie in the graph, whose nodes move. */
setsuna_status sn_quant_note_dequantize(sn_quant_graph *t, const sn_node *n);
setsuna_status sn_quant_note_quantize(sn_quant_graph *t, const sn_node *n, bool *done);
setsuna_status sn_quant_note_elementwise(sn_quant_graph *t, const sn_node *n);

/* Bytes of q, whose scale is `from`, as bytes of scale `to`: the same twin, or a lookup. */
setsuna_status sn_quant_rescale(sn_quant_graph *t, uint32_t q, sn_quant_scale from, sn_quant_scale to, uint32_t *twin);

/* A node of "setsuna" that makes one new value of bytes. NULL: out of memory. Valid until the next node is added. */
sn_node *sn_quant_node(sn_quant_graph *t, const char *op, const char *name, const uint32_t *in, uint32_t n_in,
                       uint32_t *out);

bool sn_quant_set_scale(sn_quant_graph *t, sn_node *n, const char *scale, const char *zero, sn_quant_scale s);

/* The node that makes v, if v has no other reader; NULL otherwise. */
sn_node *sn_quant_producer(const sn_quant_graph *t, uint32_t v);

/* ---- quantised_product.c ---------------------------------------------------------------------------------- */

/* The end of a chain: bytes of scale s within [lo, hi], or floats. */
typedef struct sn_quant_end {
    bool is_float;
    uint32_t out; /* integer value, or float */
    sn_quant_scale s;
    int32_t lo, hi;
} sn_quant_end;

/* Conv, Gemm or MatMul over quants, whose result (clamped) is `end`. *done: it is an integer node now. */
setsuna_status sn_quant_product(sn_quant_graph *t, size_t index, const sn_quant_end *end, bool *done);

/* QLinearConv, QLinearMatMul. */
setsuna_status sn_quant_qlinear(sn_quant_graph *t, size_t index, bool *done);

/* ---- quantised_image.c ------------------------------------------------------------------------------------ */

/* Add, Mul, Concat, AveragePool, GlobalAveragePool, ReduceMean over the pixels. */
setsuna_status sn_quant_combine(sn_quant_graph *t, size_t index, const sn_quant_end *end, bool *done);

/* Reshape, Flatten, Transpose, MaxPool, Resize to nearest, Slice, Split...: the result's bytes are the operand's, be it
 * floats of a quant or bytes that moved. */
setsuna_status sn_quant_moves(sn_quant_graph *t, size_t index);

#endif
