/* A simulated libcuda: one card of 24 GB whose free memory all processes share through the file
 * named by SIMULATED_GPU. It hands out no memory, it only counts. Textures are padded to tiles of
 * 8 x 16 x 4 values, rows to 256 bytes, everything to 1 MiB; a context takes 300,000,000 bytes,
 * 200,000,000 through MPS. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TOTAL 25769803776L
#define STEP 1048576L

static long *used;
static long mine;

static long rounded(long size, long step) { return (size + step - 1) / step * step; }

static void take(long bytes) {
    __sync_fetch_and_add(used, bytes);
    mine += bytes;
}

__attribute__((destructor)) static void give_back(void) {
    if (used) __sync_fetch_and_sub(used, mine);
}

int cuInit(unsigned flags) {
    (void)flags;
    /* Cards must be counted as nvidia-smi counts them, or --device names another one. */
    const char *order = getenv("CUDA_DEVICE_ORDER");
    if (!order || strcmp(order, "PCI_BUS_ID")) return 1;
    const char *path = getenv("SIMULATED_GPU");
    int file = path ? open(path, O_RDWR) : -1;
    if (file < 0) return 999;
    used = mmap(0, sizeof *used, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return used == MAP_FAILED ? 999 : 0;
}

int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int size, int device) {
    (void)device;
    strncpy(name, "Simulated 24 GB", size);
    return 0;
}

int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    (void)flags, (void)device;
    *context = used;
    take(getenv("CUDA_MPS_PIPE_DIRECTORY") ? 200000000L : 300000000L);
    return 0;
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    *free_bytes = TOTAL - *used;
    *total = TOTAL;
    return 0;
}

struct array { size_t width, height, depth; int format; unsigned channels, flags; };

int cuArray3DCreate_v2(void **array, const struct array *asked) {
    if (asked->format != 0x20 || asked->channels != 1) return 1;
    long size = rounded(4 * rounded(asked->width, 8) * rounded(asked->height, 16)
                            * rounded(asked->depth, 4), STEP);
    if (*used + size > TOTAL) return 2;
    take(size);
    *array = (void *)size;
    return 0;
}

int cuArrayDestroy(void *array) { take(-(long)array); return 0; }

int cuMemAllocPitch_v2(void **pointer, size_t *pitch, size_t row, size_t rows, unsigned element) {
    (void)element;
    *pitch = rounded(row, 256);
    *pointer = used;
    take(rounded(*pitch * rows, STEP));
    return 0;
}

int cuMemAlloc_v2(void **pointer, size_t size) { *pointer = used; take(rounded(size, STEP)); return 0; }

int cuGetErrorString(int error, const char **text) {
    *text = error == 999 ? "unknown error" : "out of memory";
    return 0;
}
