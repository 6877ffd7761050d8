// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <xtensor/xtensor.hpp>

#include <umsrep/data/loader.hpp>
#include <umsrep/train/history.hpp>

namespace doppler {

/// Four halvings stand between the image and the deepest stage.
inline constexpr int size_multiple = 16;

/// One batch of predictions, N, C, H, W.
struct predictions {
    xt::xtensor<float, 4> denoised, envelope, quality, flow; ///< image; probabilities
};

struct training {
    std::string strategy = "joint"; ///< or alternating
    int epochs = 10, batch = 16;
    double learning_rate = 2e-3;
    std::vector<double> head_weights{5, 1, 1, 1};
    std::function<void(const umsrep::epoch_record&)> on_epoch;
};

/// What computes.
struct computing {
    std::string device = "cpu"; ///< or cuda
    int threads = 2;
    std::string plans = "measured"; ///< or first: of cuda
};

/// The network behind a header that does not know it: everything that instantiates it is in network_*.cpp.
class session {
public:
    session(int size, std::uint64_t seed, const computing& by);
    ~session();
    session(session&&) noexcept;

    /// Throws file_error when the file is damaged or no model of this program.
    static session open(const std::filesystem::path& model, const computing& by);

    int size() const;
    umsrep::shape image() const;
    /// "cpu, avx512; 2 threads"
    std::string computed_by() const;
    std::vector<umsrep::data::head_spec> targets() const;

    predictions predict(const xt::xtensor<float, 4>& images);
    umsrep::history train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid);
    void save(const std::filesystem::path& file) const;

    class state;

private:
    explicit session(std::unique_ptr<state>);
    std::unique_ptr<state> state_;
};

} // namespace doppler
