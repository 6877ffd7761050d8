// SPDX-License-Identifier: MIT
// Times a training step (forward, losses, backward, AdamW) or a prediction of the reference network; prints milliseconds, one run per line.
//     step train|predict [threads 2] [batch 8] [runs 7]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "reference_net.hpp"

using namespace umsrep;

namespace {

using net = reference_net::network<dynamic>;

data::batch random_batch(std::size_t n, std::size_t size) {
    random_stream r(seed{1}, "benchmark");
    const auto uniform = [&](std::array<std::size_t, 4> shape) {
        auto t = xt::xtensor<float, 4>::from_shape(shape);
        for (float& v : t) v = r.uniform();
        return t;
    };
    data::batch b;
    b.images = uniform({n, 1, size, size});
    auto mask = uniform({n, 1, size, size}), kind = uniform({n, 1, 1, 1});
    for (float& v : mask) v = v < 0.5f ? 0.0f : 1.0f;
    for (float& v : kind) v = static_cast<float>(static_cast<int>(v * 3));
    b.heads = {{uniform({n, 1, size, size}), std::vector<std::uint8_t>(n, 1)}, {mask, std::vector<std::uint8_t>(n, 1)}, {kind, std::vector<std::uint8_t>(n, 1)}};
    b.ids.assign(n, "random");
    return b;
}

template <class Work>
void time(int runs, Work work) {
    work();
    for (int i = 0; i < runs; ++i) {
        const auto start = std::chrono::steady_clock::now();
        work();
        std::printf("%.2f\n", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
        std::fflush(stdout);
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto number = [&](int i, int fallback) { return argc > i ? std::atoi(argv[i]) : fallback; };
    const std::string what = argc > 1 ? argv[1] : "";
    const int thread_count = number(2, 2), n = number(3, 8), runs = number(4, 7), size = number(5, 256);
    if (what != "train" && what != "predict") {
        std::fprintf(stderr, "usage: step train|predict [threads 2] [batch 8] [runs 7] [size 256]\n");
        return 2;
    }
    model<net> m{seed{1}, extent{size}, batch{n}, threads{thread_count}};
    const data::batch b = random_batch(static_cast<std::size_t>(n), static_cast<std::size_t>(size));
    if (what == "predict") {
        auto p = m.predict(b.images);
        time(runs, [&] { m.predict_into(b.images, p); });
    } else {
        trainer t{m, joint<all>{}, optim::adamw{}, batch{n}};
        time(runs, [&] { t.step(b); });
    }
}
