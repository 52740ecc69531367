// Answers as RELION's programs do when an image is tested: with its version, or the number of its ranks.
#include <cstdio>
#include <cstring>
#include <mpi.h>
#include <tiffio.h>
#ifdef _WITH_GUI
#include <FL/Fl.H>
#endif
#ifdef _CUDA_ENABLED
int transform();
#define ACCELERATED ", CUDA-ACC=single"
#else
#define ACCELERATED ""
#endif

int main(int argc, char **argv)
{
    if (argc > 1 && !std::strcmp(argv[1], "--version")) {
        std::printf("RELION version: %s\nPrecision: BASE=double%s\n", VERSION, ACCELERATED);
        return 0;
    }
    // Never called: they are there to be linked.
    if (argc > 1000) {
        std::printf("%s", TIFFGetVersion());
#ifdef _WITH_GUI
        std::printf("%f", Fl::version());
#endif
#ifdef _CUDA_ENABLED
        return transform();
#endif
    }
    int ranks = 0, rank = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0)
        std::printf(" Number of MPI processes   = %d\n", ranks);
    MPI_Finalize();
    return 0;
}
