// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <umsrep/backend/cpu/instruction_set.hpp>
#include <umsrep/core/aligned_array.hpp>
#include <umsrep/core/random.hpp>

using namespace umsrep;

namespace {

/// Numbers on a cache line's boundary, as results are.
aligned_array<float> streaming_numbers(std::size_t size, random_stream& r) {
    aligned_array<float> result(size);
    for (float& v : result.span()) v = 2 * r.uniform() - 1;
    return result;
}

/// Whether `run(stream, out)` writes the same bits either way, and something.
template <class Run>
bool streams_the_same(std::size_t size, Run run) {
    aligned_array<float> kept(size), streamed(size);
    run(false, kept.data());
    run(true, streamed.data());
    return std::memcmp(kept.data(), streamed.data(), size * sizeof(float)) == 0 && std::ranges::any_of(kept.span(), [](float v) { return v != 0; });
}

} // namespace

// Only results of 2 MB and more take this way, and few of the other tests have such.
TEST_CASE("results written past the caches have the same bits: products, Winograd's filtering") {
    for (const char* const set : {"portable", "avx2", "avx512"}) {
        const cpu_ops::kernel_table* const k = cpu_ops::find_kernels(set);
        if (k == nullptr) continue;
        INFO(std::string(set));
        random_stream r(seed{91}, "streaming");
        const aligned_array<float> a = streaming_numbers(29 * 16, r), b = streaming_numbers(3 * 256, r), bias = streaming_numbers(48, r);
        const std::ptrdiff_t start = 0;
        CHECK(streams_the_same(3 * 30 * 16, [&](bool stream, float* out) { // 29 pixels, 3 blocks: whole tiles and what is left of them
            cpu_ops::multiply_call m;
            m.a = a.data();
            m.b = b.data();
            m.b_unit = 256;
            m.a_offset = m.b_offset = &start;
            m.blocks = 1;
            m.c = out;
            m.c_unit = 30 * 16;
            m.pixels = 29;
            m.units = 3;
            m.bias = bias.data();
            m.stream = stream;
            k->multiply(m);
        }));
        for (const int size : {6, 8}) {
            const std::size_t tiles = 3, positions = static_cast<std::size_t>(size * size);
            const aligned_array<float> in = streaming_numbers(positions * tiles * 16, r);
            CHECK(streams_the_same(5 * 13 * 16, [&](bool stream, float* out) { // the last tile leaves the plane
                cpu_ops::output_reading o;
                o.bias = bias.data();
                o.then.relu = true;
                o.stream = stream;
                k->winograd_output(in.data(), {size, 5, 13, 0, 0, static_cast<int>(tiles), static_cast<std::ptrdiff_t>(tiles) * 16}, o, out);
            }));
        }
    }
}
