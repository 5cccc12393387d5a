/* Model bytes through import, planning and one run. More seeds: the models of Debian's libonnx-testdata. */
#include "onnx_drive.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    drive_onnx(data, size, true);
    return 0;
}
