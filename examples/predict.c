/* predict MODEL.onnx: one prediction on zeros, free dims taken as 1.
 *
 *     cc predict.c $(pkg-config --cflags --libs setsuna) -o predict */
#include <setsuna/setsuna.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    setsuna_error error = {0};
    setsuna_model *model = NULL;
    setsuna_session *session = NULL;
    setsuna_tensor inputs[16] = {0}, outputs[16] = {0};
    int failed = argc != 2 || setsuna_model_open(argv[1], NULL, &model, &error) || setsuna_model_inputs(model) > 16 ||
                 setsuna_model_outputs(model) > 16 || setsuna_session_create(model, &session, &error);
    for (uint32_t i = 0; !failed && i < setsuna_model_inputs(model); i++) {
        setsuna_io io;
        setsuna_model_input(model, i, &io);
        size_t bytes = setsuna_dtype_size(io.dtype);
        for (int d = 0; d < io.shape.rank; d++)
            bytes *= (size_t)(io.shape.dim[d] = io.shape.dim[d] < 0 ? 1 : io.shape.dim[d]);
        inputs[i] = (setsuna_tensor){io.dtype, io.shape, calloc(1, bytes + 1), bytes};
    }
    failed = failed || setsuna_session_run(session, inputs, outputs, &error);
    for (uint32_t i = 0; !failed && i < setsuna_model_outputs(model); i++)
        printf("output %u: %s, %zu bytes\n", i, setsuna_dtype_name(outputs[i].dtype), outputs[i].size_bytes);
    if (failed)
        fprintf(stderr, "predict: %s: %s\n", error.where, argc == 2 ? error.text : "usage: predict MODEL.onnx");
    setsuna_session_destroy(session);
    setsuna_model_close(model);
    return failed;
}
