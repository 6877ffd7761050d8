// SPDX-License-Identifier: MIT
// As program.cpp, with component io: weights written and read back.
#include <algorithm>
#include <filesystem>

#include <umsrep/io/weights.hpp>
#include <umsrep/umsrep.hpp>

using namespace umsrep;

using net = network<encoder<image<1, 16, 16>, stage<"e1", conv<4, 3>, relu>>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>>;

int main() {
    const std::filesystem::path file = "weights.safetensors";
    model<net> first{seed{1}}, second{seed{2}};
    io::save(first, file);
    io::load(second, file);
    std::filesystem::remove(file);
    return std::ranges::equal(first.parameters(), second.parameters()) ? 0 : 1;
}
