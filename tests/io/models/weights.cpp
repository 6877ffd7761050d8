// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include <umsrep/io/weights.hpp>

#include "../../support/bits.hpp"
#include "../../support/temporary_folder.hpp"
#include "../../support/tiny.hpp"

using namespace umsrep;
using test::tiny;

namespace {

struct wider : network<encoder<image<1, 16, 16>, stage<"e1", test::block<4>>, stage<"e2", max_pool<2>, test::block<12>>>,
                       head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

} // namespace

TEST_CASE("weights and statistics come back bit for bit, with their notes") {
    const test::temporary_folder f;
    model<tiny> a{seed{1}}, b{seed{2}};
    a.statistics()[3] = 0.25f;
    io::save(a, f / "m.safetensors", {{"task", "chest X-ray"}});
    CHECK(io::load(b, f / "m.safetensors").at("task") == "chest X-ray");
    CHECK(test::same_bits(a.parameters(), b.parameters()));
    CHECK(test::same_bits(a.statistics(), b.statistics()));
}

TEST_CASE("a part is loaded by its name and nothing else moves") {
    const test::temporary_folder f;
    model<tiny> a{seed{1}}, b{seed{2}};
    io::save(a, f / "m.safetensors");
    const auto before = test::copy(b.parameters());
    io::load<"encoder">(b, f / "m.safetensors");
    for (const auto& t : b.tensors()) {
        if (t.statistic) continue;
        const auto offset = static_cast<std::size_t>(t.values.data() - b.parameters().data());
        const float* wanted = t.name.starts_with("encoder.") ? a.parameters().data() + offset : before.data() + offset;
        CHECK(test::same_bits(t.values, std::span<const float>(wanted, t.values.size())));
    }
}

TEST_CASE("weights of another network are refused with what differs, and change nothing") {
    const test::temporary_folder f;
    io::save(model<wider>{seed{1}}, f / "wider.safetensors");
    model<tiny> m{seed{2}};
    const auto before = test::copy(m.parameters());
    CHECK_THROWS_WITH_AS(io::load(m, f / "wider.safetensors"), doctest::Contains("missing encoder.e3"), file_error);
    CHECK_THROWS_WITH_AS(io::load(m, f / "wider.safetensors"), doctest::Contains("encoder.e2.1.0.weight (expected [8, 4, 3, 3], got [12, 4, 3, 3])"),
                         file_error);
    CHECK(test::same_bits(before, m.parameters()));
    io::save(m, f / "tiny.safetensors");
    model<wider> w{seed{1}};
    CHECK_THROWS_WITH_AS(io::load(w, f / "tiny.safetensors"), doctest::Contains("unexpected"), file_error);
}

TEST_CASE("names may stand behind a prefix, and PyTorch's counters of batches are passed over") {
    const test::temporary_folder f;
    model<tiny> a{seed{1}}, b{seed{2}};
    io::safetensors file;
    for (const auto& t : a.tensors()) file.add("module." + t.name, t.shape, std::span<const float>(t.values));
    const std::int64_t counter = 7;
    file.add("module.encoder.e1.0.1.num_batches_tracked", {}, std::span<const std::int64_t>(&counter, 1));
    file.write(f / "torch.safetensors");
    io::load(b, f / "torch.safetensors", "module.");
    CHECK(test::same_bits(a.parameters(), b.parameters()));
}

TEST_CASE("a damaged file is named") {
    const test::temporary_folder f;
    std::ofstream(f / "bad.safetensors") << "not weights at all";
    model<tiny> m{seed{1}};
    CHECK_THROWS_WITH_AS(io::load(m, f / "bad.safetensors"), doctest::Contains("bad.safetensors"), file_error);
    CHECK_THROWS_WITH_AS(io::load(m, f / "none.safetensors"), doctest::Contains("none.safetensors"), file_error);
}

TEST_CASE("norm statistics per task travel under the head's name; a model with one set refuses them, and the other way round") {
    const test::temporary_folder f;
    model<tiny> a{seed{1}}, b{seed{2}}, common{seed{3}};
    a.part_statistics();
    for (std::size_t i = 0; i < a.statistics().size(); ++i) a.statistics()[i] = static_cast<float>(i);
    io::save(a, f / "parted.safetensors");
    CHECK_THROWS_WITH_AS(io::load(b, f / "parted.safetensors"), doctest::Contains("unexpected denoise.encoder.e1.0.1.running_mean"), file_error);
    b.part_statistics();
    io::load(b, f / "parted.safetensors");
    CHECK(test::same_bits(a.parameters(), b.parameters()));
    // The encoder's for each head, and each head's own; sets also hold other heads', which nobody reads.
    const auto saved = std::as_const(a).tensors(), loaded = std::as_const(b).tensors();
    REQUIRE(saved.size() == loaded.size());
    for (std::size_t i = 0; i < saved.size(); ++i) {
        CHECK(saved[i].name == loaded[i].name);
        CHECK(test::same_bits(saved[i].values, loaded[i].values));
    }
    io::save(common, f / "common.safetensors");
    CHECK_THROWS_WITH_AS(io::load(a, f / "common.safetensors"), doctest::Contains("missing denoise.encoder.e1.0.1.running_mean"), file_error);
}
