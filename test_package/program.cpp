// SPDX-License-Identifier: MIT
#include <cstdio>

#include <Eigen/Core>
#include <umsrep/core/random.hpp>
#include <umsrep/core/xtensor.hpp>
#ifdef WITH_IO
#include <umsrep/io/safetensors.hpp>
#endif

int main() {
    umsrep::random_stream stream{umsrep::seed{1}, "consumer"};
#ifdef WITH_IO
    umsrep::io::safetensors file;
#endif
    std::printf("%u\n", stream());
}
