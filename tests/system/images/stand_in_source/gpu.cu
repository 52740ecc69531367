// A kernel, and calls of CUDA's libraries that RELION is linked with; it includes what newer compilers refuse.
#include <cufft.h>
#include <curand.h>
#include <vector>

__global__ void twice(float *values) { values[threadIdx.x] *= 2; }

int transform()
{
    std::vector<float> values(32);
    float *device = nullptr;
    cudaMalloc(&device, values.size() * sizeof(float));
    twice<<<1, 32>>>(device);
    cufftHandle plan;
    curandGenerator_t generator;
    return cufftPlan1d(&plan, 32, CUFFT_R2C, 1) + curandCreateGenerator(&generator, CURAND_RNG_PSEUDO_DEFAULT);
}
