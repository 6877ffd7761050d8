// SPDX-License-Identifier: MIT
// The smallest program that shows the library is usable: a network of two heads, compiled and run.
#include <cstdio>

#include <umsrep/umsrep.hpp>

using namespace umsrep;

using features = encoder<image<1, 16, 16>, stage<"e1", conv<4, 3>, relu>, stage<"e2", max_pool<2>, conv<8, 3>, relu>>;
using net = network<features,
    head<"denoise", seq<upsample_nearest<2>, concat<"e1">, conv<1, 1>>, loss::l1>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>>;

int main() {
    model<net> m{seed{1}};
    const auto out = m.predict(xt::xtensor<float, 3>(std::array<std::size_t, 3>{1, 16, 16}, 0.5f));
    const auto& findings = out.get<"finding">();
    float sum = 0;
    for (const float p : findings) sum += p;
    std::printf("%zu findings, probabilities add up to %.3f\n", findings.size(), static_cast<double>(sum));
    return findings.size() == 3 && out.get<"denoise">().size() == 256 ? 0 : 1;
}
