// SPDX-License-Identifier: MIT
#include <cstdio>

#include <umsrep/io/safetensors.hpp>

int main() {
    umsrep::io::safetensors file;
    std::printf("%zu tensors\n", file.names().size());
}
