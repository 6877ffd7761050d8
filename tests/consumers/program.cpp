// SPDX-License-Identifier: MIT
#include <cstdio>

#include <umsrep/core/random.hpp>
#include <umsrep/core/shape.hpp>

int main() {
    umsrep::random_stream stream{umsrep::seed{1}, "consumer"};
    constexpr umsrep::shape image{1, 256, 256};
    static_assert(image.size() == 65536);
    std::printf("%u\n", stream());
}
